"""The pretend release system of a company: which version of which service runs, and how it is doing."""
