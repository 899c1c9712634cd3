"""The demo's programs, each on its own."""
