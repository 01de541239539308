"""The engine beside its peers, on real text, in one run: `make bench-engine`."""
