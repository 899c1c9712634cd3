"""The pretend order system: what was bought, where it is, and what was refunded."""
