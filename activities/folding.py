"""What stands in the place of turns that are not shown any more: which calls were made, and what people said."""

from collections import Counter
from collections.abc import Sequence

from activities.composing import objects
from activities.conversations import Delta
from contracts.model import Model

SAID_BYTES = 8 * 1024
"""Of what people said, the newest; more is not kept in sight."""
GO_ON = "Go on."
"""What stands where nothing was said and nothing is to be answered."""


class Folded(Model):
    """Turns 0 to `before` - 1, in short."""

    before: int = 0
    calls: dict[str, int] = {}
    """`server.tool` -> how often it was asked for."""
    said: tuple[str, ...] = ()
    """Words of people, in order."""
    summarised: bool = False
    """A summary of them by another model stands beside this."""

    def with_turns(self, deltas: Sequence[Delta], before: int) -> "Folded":
        """With the turns that follow, up to `before` - 1, and what was said at turn `before`."""
        calls = Counter(self.calls)
        said = list(self.said)
        for delta in deltas:
            if self.before <= delta.turn < before:
                calls.update(_asked_for(delta))
            if self.before < delta.turn <= before:
                said += _words(delta)
        return self.model_copy(update={"before": before, "calls": dict(calls), "said": _newest(said)})

    def words(self, summary: str = "") -> str:
        """What Claude reads in the place of these turns."""
        calls = ", ".join(f"{name} {count}x" for name, count in sorted(self.calls.items())) or "none"
        lines = [
            f"[Your turns 1 to {self.before} are not shown any more. Calls asked for in them: {calls}. Their results "
            f"are r0.0 to r{self.before - 1}.N (turn and block); read_result shows each of them, and with query alone "
            "searches all of them.]"
        ]
        if self.said:
            lines += ["What people said in them:", *self.said]
        if summary:
            lines += ["A summary of them, made by a model; it may be wrong:", summary]
        return "\n".join(lines)


def _asked_for(delta: Delta) -> list[str]:
    return [f"{call.server}.{call.tool}" for call in (delta.outcome.calls if delta.outcome else ())]


def _words(delta: Delta) -> list[str]:
    texts = [str(block.get("text", "")) for block in objects(delta.user) if block.get("type") == "text"]
    return [text for text in texts if text != GO_ON]


def _newest(said: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    size = 0
    for words in reversed(said):
        size += len(words.encode())
        if size > SAID_BYTES:
            break
        kept.append(words)
    return tuple(reversed(kept))
