"""The filter service: keeps the few good candidates of a poor teacher."""
