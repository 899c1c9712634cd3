"""What all stories of a session have proved: which arrows were taken, how escalations went on, which endings came."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel

from contracts.decisions import Verdict
from contracts.runs import BuiltIn, RunView
from tests.story import StoryRun

CHOICES = {Verdict.RETRY, Verdict.SUPPLY, Verdict.SKIP, Verdict.TAKE_OVER, Verdict.EXTEND, Verdict.ABANDON}


class Chronicle(BaseModel):
    """Observed on real runs, not declared."""

    arrows: set[tuple[str, str, str]] = set()
    """Automation, and the two states."""
    failures: set[tuple[str, str, str]] = set()
    """The same, of those that a failed step took by itself."""
    choices: set[tuple[str, str, str, str]] = set()
    """Automation, the state that escalated, what a person chose, and the state that followed."""
    endings: set[tuple[str, str]] = set()
    finished: set[str] = set()
    """Stories that were told to their end, well or not."""

    async def witness(self, run: StoryRun) -> None:
        """Note what a run went through."""
        self.note(await run.view())

    def note(self, view: RunView) -> None:
        """Note what a view tells."""
        states = [visit.state for visit in view.path]
        self.arrows |= {(view.automation, *arrow) for arrow in pairwise(states)}
        entered = pairwise(view.path)
        self.failures |= {(view.automation, left.state, now.state) for left, now in entered if now.failed}
        if view.final:
            self.endings.add((view.automation, view.state))
        chosen = [decided.outcome for decided in view.decided if decided.outcome in CHOICES]
        threes = zip(states, states[1:], states[2:], strict=False)
        left = [around for around in threes if around[1] == BuiltIn.ESCALATED]
        for (before, _, after), choice in zip(left, chosen, strict=False):
            self.choices.add((view.automation, before, choice, after))


CHRONICLE = Chronicle()
"""Of this process; others may tell stories beside it."""


def all_chronicles(folder: Path) -> Chronicle:
    """What every process has written into `folder` so far."""
    return _together(Chronicle.model_validate_json(path.read_text()) for path in sorted(folder.glob("*.json")))


def _together(chronicles: Iterable[Chronicle]) -> Chronicle:
    whole = Chronicle()
    for chronicle in chronicles:
        for name in Chronicle.model_fields:
            getattr(whole, name).update(getattr(chronicle, name))
    return whole
