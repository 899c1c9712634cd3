"""How people talk to it: one file per thing people handle."""
