"""The pretend housekeeping board of a hotel: which room is to be done, by when, and what became of it."""
