"""Everything on this machine: the broker and the services as child processes."""
