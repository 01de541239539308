"""How fast the filter's layers are."""
