"""Training students: which samples, in which order, on which model, with which loss."""
