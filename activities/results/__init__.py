"""Results of tools: shown by their shape, and read on in; pure functions over bytes."""
