"""Forged, replayed, stale and self-made decisions, by the thousand; none of them may count."""
