"""The training buffer under many rows."""
