"""The other contestant: an agent loop on Temporal as a good engineer writes it by hand, for speed."""
