"""The pretend change register of a company: which changes to production are open, and by which plan."""
