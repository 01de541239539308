"""Runs and students: typed results, conversions and clients."""
