"""The generator: samples from a language model, and scores texts with one as critic."""
