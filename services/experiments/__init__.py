"""Experiments: what changes when one thing of a recipe changes, measured on the same documents."""
