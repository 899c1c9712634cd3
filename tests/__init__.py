"""The tests: stories, specifications and end-to-end runs."""
