"""The command line, against a real Temporal server and a worker with doubles at its ports."""
