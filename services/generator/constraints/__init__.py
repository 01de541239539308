"""Logical constraints on a text while it is written: clauses, and where a text stands in them."""
