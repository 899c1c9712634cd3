"""A program that plays the Messages API: scripted answers made only from what it finds in the request."""
