"""Messages on the queues."""
