"""Faults by the hundred, and a bank outside that counts what happened: `python -m tests.faults`."""
