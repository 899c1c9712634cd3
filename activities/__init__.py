"""What touches the world: thin, and each file declares the port it needs."""
