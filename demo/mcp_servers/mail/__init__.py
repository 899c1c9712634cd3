"""The pretend mail service: it remembers every message instead of sending it."""
