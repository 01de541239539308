"""Sampling and scoring: typed results, conversions and clients."""
