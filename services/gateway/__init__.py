"""The index over HTTP: infini-gram's JSON, the project's own, and a page to try it."""
