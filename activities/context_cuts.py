"""Where a conversation is shortened. Cuts move in batches, so that what stands before them is cached meanwhile."""

from collections.abc import Mapping
from typing import NamedTuple

from activities.context_files import Shown


class Cuts(NamedTuple):
    """Turns before `stubbed` have their results shown as one line each; turns before `folded` are not shown."""

    stubbed: int = 0
    folded: int = 0


def next_cuts(standing: Cuts, sizes: Mapping[int, int], turn: int, shown: Shown) -> Cuts:
    """The cuts from `turn` on: those that stand, or moved once too much is shown.

    `sizes`: bytes of the results of each turn that is shown in full, `turn` itself included. What `turn` brings is
    always shown in full.
    """
    stubbed = standing.stubbed
    if sum(size for number, size in sizes.items() if number >= stubbed) > shown.recent_bytes:
        stubbed = _keeping(sizes, turn, shown.kept_bytes)
    folded = standing.folded
    if turn - folded > shown.turns:
        folded = turn - shown.turns // 2
    return Cuts(stubbed=max(stubbed, folded), folded=folded)


def _keeping(sizes: Mapping[int, int], turn: int, most: int) -> int:
    """The first turn of the newest ones whose results have `most` bytes at most together; at least `turn`."""
    kept, first = sizes.get(turn, 0), turn
    for number in sorted((number for number in sizes if number < turn), reverse=True):
        kept += sizes[number]
        if kept > most:
            break
        first = number
    return first
