"""What Claude sees: composed from the deltas of a conversation, never accumulated.

The first message stays, then what stands for turns that are not shown, older turns with one line for each result,
the newest in full. Messages change only where a cut moves.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from activities.context_cuts import Cuts
from activities.conversations import Delta

Block = dict[str, JsonValue]
Message = dict[str, JsonValue]

OLDER = "older"
"""Beside a kept result: the line that stands for it once it is an older one."""
_SEALED = ("thinking", "redacted_thinking")
"""Bound to the model that made them: they go back unchanged to it, and to no other one."""


class Composed(NamedTuple):
    """Messages for the Messages API, and after which of them nothing changes before a cut moves."""

    messages: list[Message]
    settled: tuple[int, ...]


def text_block(text: str) -> Block:
    """Words as a content block."""
    return {"type": "text", "text": text}


def composed(deltas: Sequence[Delta], model: str, folded: str = "") -> Composed:
    """The conversation of `deltas` (turn 0, and every one that is shown) as `model` is to see it, up to the last one.

    An empty answer (a refusal) is left out; what came after it joins what came before.
    """
    cuts = cuts_of(deltas[-1])
    marks = {cuts.stubbed, *(delta.stubbed_before for delta in deltas[-2:-1])} - {0}
    messages: list[Message] = []
    settled: set[int] = set()
    said: list[JsonValue] = []
    for delta in deltas:
        if 0 < delta.turn < cuts.folded:
            continue
        said += _said(delta, cuts, folded)
        if delta.turn and delta.turn + 1 in marks and messages:
            settled.add(len(messages))
        answer = _answer(delta, model) if delta.turn >= cuts.folded else []
        if answer:
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
            said = []
    messages.append({"role": "user", "content": said})
    return Composed(messages, tuple(sorted(index for index in settled if index < len(messages) - 1)))


def cuts_of(delta: Delta) -> Cuts:
    """Where the conversation is shortened from this turn on."""
    return Cuts(stubbed=delta.stubbed_before, folded=delta.folded_before)


def result_bytes(delta: Delta) -> int:
    """What the results of a turn have together when they are shown in full."""
    return sum(len(str(block.get("content", "")).encode()) for block in results_of(delta))


def results_of(delta: Delta) -> list[Block]:
    """The results among the blocks of a user message."""
    return [block for block in objects(delta.user) if block.get("type") == "tool_result"]


def objects(blocks: Iterable[JsonValue]) -> list[Block]:
    """Those blocks that are objects; others are nobody's."""
    return [block for block in blocks if isinstance(block, dict)]


def _said(delta: Delta, cuts: Cuts, folded: str) -> list[JsonValue]:
    if delta.turn == 0:
        return [*delta.user, *([text_block(folded)] if cuts.folded else [])]
    if delta.turn == cuts.folded:  # its results answer what is not shown
        return []
    return [_shown(block, as_stub=delta.turn < cuts.stubbed) for block in objects(delta.user)]


def _shown(block: Block, *, as_stub: bool) -> Block:
    older = block.get(OLDER)
    plain = {name: value for name, value in block.items() if name != OLDER}
    return plain | {"content": older} if as_stub and older else plain


def _answer(delta: Delta, model: str) -> list[JsonValue]:
    blocks = delta.assistant or []
    if delta.asked_of in ("", model):
        return blocks
    return [block for block in blocks if not (isinstance(block, dict) and block.get("type") in _SEALED)]
