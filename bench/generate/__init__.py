"""Sampling and scoring against what transformers offers."""
