"""The pretend payment provider: what was captured, and what was given back."""
