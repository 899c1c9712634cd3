"""A pretend outside world: programs only, never imported by the product."""
