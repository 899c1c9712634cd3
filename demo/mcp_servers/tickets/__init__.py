"""The pretend ticket system of an internal service desk: what somebody who joins needs on the first day."""
