"""The index service: n-gram queries over suffix-array indexes."""
