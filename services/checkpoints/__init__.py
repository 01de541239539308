"""Model folders: finding them, naming them by digest, loading them."""
