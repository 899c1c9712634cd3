"""The pretend customer file: who the customers are, what they complain about, what was noted."""
