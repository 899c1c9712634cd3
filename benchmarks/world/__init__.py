"""The processes of the benchmark, started as users start them, and the two contestants among them."""
