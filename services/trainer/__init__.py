"""The trainer: conducts runs, fills the training buffer, trains and evaluates students."""
