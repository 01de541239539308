"""The index service under load, beside an empty handler and the peer over HTTP."""
