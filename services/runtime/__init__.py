"""What every service needs to run: server, statuses, streams, workers, logs."""
