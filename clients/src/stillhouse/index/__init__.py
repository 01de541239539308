"""n-gram queries: typed results, conversions and clients."""
