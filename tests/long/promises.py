"""What is promised of long runs, and what one of them did not keep."""

from collections.abc import Iterator

from tests.long.errands import Told
from tests.long.waiting import Waited

MOST_EVENTS, MOST_BYTES, MOST_PAYLOAD_BYTES, MOST_TIMERS = 9, 3 * 1024, 64 * 1024, 100
SETTLED = 5
"""The turn from which on a turn costs the same."""
SLACK_BYTES = 64
"""Numbers of events, turns and visits are written with more digits as they grow."""


def broken_by(told: Told, turns: int) -> Iterator[str]:
    """What an errand of so many turns, with one read at each but the last, did not keep."""
    if told.ending.state != "answered" or (told.view.turns, told.pages_read) != (turns, turns - 1):
        yield f"{told.ending}: {told.view.turns} turns, {told.pages_read} pages read"
    settled = told.growth.turns[SETTLED:-1]
    sizes, counts = [turn.size_bytes for turn in settled], [len(turn.events) for turn in settled]
    if max(counts) > MOST_EVENTS or max(sizes) > MOST_BYTES:
        yield f"up to {max(counts)} events and {max(sizes)} bytes a turn"
    if max(sizes) - min(sizes) > SLACK_BYTES or len(set(counts)) > 1:
        yield f"not flat: {min(sizes)} to {max(sizes)} bytes, {sorted(set(counts))} events a turn"
    if told.growth.largest_payload > MOST_PAYLOAD_BYTES:
        yield f"a payload of {told.growth.largest_payload} bytes"


def broken_by_waiting(waited: Waited) -> Iterator[str]:
    """What a run that waited for people did not keep."""
    if waited.ending.state != "answered" or waited.growth.timers > MOST_TIMERS:
        yield f"{waited.ending}; {waited.growth.timers} timers"
