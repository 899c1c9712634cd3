"""What Claude is told last at every turn: the run's own facts, and what people have decided."""

from collections.abc import Mapping, Sequence

from contracts.decisions import DecidedRequest

MOST_NAMES = 20
MOST_CHARACTERS = 200
LEAST_DECISIONS = 5
"""So many of the last decisions have a place, however many facts there are."""


def bounded(facts: Mapping[str, str], decided: Sequence[DecidedRequest]) -> dict[str, str]:
    """Name -> short text: the facts in their order, then the last decisions, the oldest first."""
    decisions = [(one.id, f"{one.outcome} by {one.by}" if one.by else one.outcome) for one in decided]
    kept = list(facts.items())[: MOST_NAMES - min(len(decisions), LEAST_DECISIONS)]
    room = MOST_NAMES - len(kept)
    lines = [*kept, *decisions[max(0, len(decisions) - room) :]]
    return {name[:MOST_CHARACTERS]: text[:MOST_CHARACTERS] for name, text in lines}
