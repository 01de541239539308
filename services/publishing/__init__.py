"""Datasets for others: the samples of runs merged, split, described, published."""
