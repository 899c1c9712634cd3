"""A pretend mail server: it takes every mail, keeps it as a file, and delivers none."""
