"""Record histories anew from the stories: `python -m tests.replay.record [FILE ...]`. The shortest of its kind is kept.

With files of stories only the histories of the automations in them are replaced.

Before the first tag every recording replaces the last one; afterwards only histories of new paths are added, since
the recorded ones are what live runs have taken.
"""

import sys

import pytest

from contracts.runs import BuiltIn, RunView
from tests.replay.histories import FOLDER, scrubbed
from tests.story import WITNESSES, StoryRun

DETOURS = {"awaiting_approval": "approval", BuiltIn.ESCALATED.value: "escalation"}


class Recorder:
    """A plugin of pytest that keeps what the stories' runs leave behind."""

    def __init__(self, stories: list[str]) -> None:
        """`stories`: the files that are told; none: all of them, and no other history stays."""
        self._stories = stories
        self._shortest: dict[str, str] = {}

    def pytest_configure(self) -> None:
        """Begin to listen."""
        WITNESSES.append(self._keep)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write, unless a story failed."""
        if exitstatus != 0:
            return
        told = {name.partition("-")[0] for name in self._shortest}
        for path in FOLDER.glob("*.json"):
            if not self._stories or path.stem.partition("-")[0] in told:
                path.unlink()
        for name, text in self._shortest.items():
            (FOLDER / f"{name}.json").write_text(text)

    async def _keep(self, run: StoryRun) -> None:
        text = scrubbed(await run.handle.fetch_history())
        name = await _name(run)
        if len(text) < len(self._shortest.get(name, text + " ")):
            self._shortest[name] = text


async def _name(run: StoryRun) -> str:
    view = await run.view()
    continued = (await run.handle.describe()).run_id != view.first_run_id
    return "-".join([view.automation, view.state, *_detours(view), *(["continued"] if continued else [])])


def _detours(view: RunView) -> list[str]:
    """What the run went through on its way; a path of its own to replay."""
    passed = {visit.state for visit in view.path[:-1]}
    failed = ["after-failure"] if any(visit.failed for visit in view.path) else []
    return [*(f"after-{name}" for state, name in DETOURS.items() if state in passed), *failed]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    stories = sys.argv[1:]
    told = [*(stories or ["tests/workflows"]), "-q", "-p", "no:cacheprovider"]
    sys.exit(pytest.main(told, plugins=[Recorder(stories)]))
