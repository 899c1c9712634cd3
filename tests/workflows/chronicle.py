"""What all stories of a session have proved: which arrows were taken, how escalations went on, which endings came."""

from dataclasses import dataclass, field
from itertools import pairwise

from contracts.decisions import Verdict
from contracts.runs import BuiltIn, RunView
from tests.story import StoryRun

CHOICES = {Verdict.RETRY, Verdict.SUPPLY, Verdict.SKIP, Verdict.TAKE_OVER, Verdict.ABANDON}
Arrow = tuple[str, str, str]
"""Automation, and the two states."""
Choice = tuple[str, str, str, str]
"""Automation, the state that escalated, what a person chose, and the state that followed."""


@dataclass
class Chronicle:
    """Observed on real runs, not declared."""

    arrows: set[Arrow] = field(default_factory=set)
    choices: set[Choice] = field(default_factory=set)
    endings: set[tuple[str, str]] = field(default_factory=set)

    async def witness(self, run: StoryRun) -> None:
        """Note what a run went through."""
        self.note(await run.view())

    def note(self, view: RunView) -> None:
        """Note what a view tells."""
        states = [visit.state for visit in view.path]
        self.arrows |= {(view.automation, *arrow) for arrow in pairwise(states)}
        if view.final:
            self.endings.add((view.automation, view.state))
        chosen = [decided.outcome for decided in view.decided if decided.outcome in CHOICES]
        left = [around for around in zip(states, states[1:], states[2:], strict=False) if around[1] == BuiltIn.ESCALATED]
        for (before, _, after), choice in zip(left, chosen, strict=False):
            self.choices.add((view.automation, before, choice, after))


CHRONICLE = Chronicle()
