"""The cascade: typed results, conversions and clients."""
