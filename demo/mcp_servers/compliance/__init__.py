"""The pretend compliance log of a hotel: what was charged and by whom, written once and never changed."""
