"""The Messages API of the benchmark: it plays by script, answers at once, and counts what it is sent."""
