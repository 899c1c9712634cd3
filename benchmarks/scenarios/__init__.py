"""What is measured: loops side by side, long runs, approvals, and many runs at once."""
