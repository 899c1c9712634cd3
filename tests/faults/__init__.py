"""Faults at length: what takes real time and real processes, and so is no part of `make test`."""
