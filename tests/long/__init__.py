"""Runs too long for `make test`: 500 and 2,000 turns, and 400 days of waiting; `python -m tests.long` tells them."""
