"""Each protection switched off in turn: some test must fail each time."""
