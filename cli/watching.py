"""Follow a run until it ends: live in a terminal, as plain lines elsewhere."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from cli.exits import NotReachable, Refused, TimedOut
from cli.outside import as_argument
from cli.printing import local_time, say, time_left, usage_line
from cli.server import Server
from contracts.decisions import ApprovalRequest
from contracts.escaping import plain
from contracts.policy import people_demanded
from contracts.runs import Ending, RunView

if TYPE_CHECKING:
    from rich.console import RenderableType
    from temporalio.client import WorkflowHandle

LOOKS_EVERY: Final = timedelta(milliseconds=500)
SHOWN_VISITS: Final = 12


class Display(Protocol):
    """Shows a run while it is followed."""

    def show(self, view: RunView) -> None:
        """The run stands there now."""

    def unanswered(self, run: str) -> None:
        """The run did not answer just now."""

    def close(self) -> None:
        """Nothing more is shown."""


async def ending_of(server: Server, run: str, timeout: timedelta | None) -> Ending:
    """Wait silently. Raises TimedOut, and Refused when Temporal ended the run."""
    return await _result(server.handle(run), run, timeout)


async def watch(server: Server, run: str, timeout: timedelta | None) -> Ending:
    """Show the run until it ends. Raises as `ending_of` does."""
    await server.describe(run)  # there is such a run
    display: Display = LiveDisplay() if sys.stdout.isatty() else PlainDisplay()
    result = asyncio.ensure_future(_result(server.handle(run), run, timeout))
    try:
        while not result.done():
            await _look(server, run, display)
            await asyncio.wait({result}, timeout=LOOKS_EVERY.total_seconds())
        await _look(server, run, display)
    finally:
        result.cancel()
        display.close()
    return result.result()


async def _look(server: Server, run: str, display: Display) -> None:
    try:
        display.show(await server.view(run, within=timedelta(seconds=5)))
    except (NotReachable, Refused):
        display.unanswered(run)


async def _result(handle: "WorkflowHandle[Any, Ending]", run: str, timeout: timedelta | None) -> Ending:
    from temporalio.client import WorkflowFailureError

    try:
        async with asyncio.timeout(timeout.total_seconds() if timeout else None):
            return await handle.result()
    except TimeoutError:
        command = f"interlock runs watch {as_argument(run)}"
        raise TimedOut(f"{run} has not ended after {timeout}; it goes on: `{command}`") from None
    except WorkflowFailureError as error:
        how = getattr(error.cause, "message", "") or type(error.cause).__name__
        raise Refused(f"{run} was ended by Temporal without an ending of its own: {how}") from error


@dataclass
class PlainDisplay:
    """A line for each state entered and each request opened."""

    visits: int = 0
    asked: set[str] = field(default_factory=set)
    silent: bool = False

    def show(self, view: RunView) -> None:
        """Only what is new since the last look."""
        new = min(view.visits - self.visits, len(view.path))
        for visit in view.path[len(view.path) - new :]:
            say(f"{local_time(visit.at)}  {visit.state}")
        self.visits, self.silent = view.visits, False
        for request in view.waiting_for:
            if request.id not in self.asked:
                self.asked.add(request.id)
                for line in waiting_lines(request):
                    say(line)
        if view.wait is not None and (wait := view.wait.model_dump_json()) not in self.asked:
            self.asked.add(wait)
            for line in wait_lines(view):
                say(line)

    def unanswered(self, run: str) -> None:
        """Said once for each silence."""
        if not self.silent:
            say(f"{run} does not answer just now; `interlock runs why {as_argument(run)}` tells more")
        self.silent = True

    def close(self) -> None:
        """Nothing to tidy up."""


class LiveDisplay:
    """The whole picture, drawn anew at every look."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live: Live = Live(console=Console(highlight=False), transient=False, refresh_per_second=8)
        self._live.start()

    def show(self, view: RunView) -> None:
        """Draw."""
        self._live.update(_picture(view))

    def unanswered(self, run: str) -> None:
        """Say so, in the place of the picture."""
        from rich.spinner import Spinner

        said = f"{run} does not answer just now; interlock runs why {as_argument(run)}"
        self._live.update(Spinner("dots", plain(said)))

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()


def _picture(view: RunView) -> "RenderableType":
    from rich.console import Group
    from rich.spinner import Spinner
    from rich.text import Text

    lines: list[RenderableType] = [Text(plain(line)) for line in run_lines(view)]
    if not view.final and not view.waiting_for and view.wait is None:
        lines.insert(1, Spinner("dots", Text(plain(f"{view.state or 'starting'} ..."))))
    return Group(*lines)


def run_lines(view: RunView) -> Iterator[str]:
    """Where a run stands, one fact per line."""
    yield f"{view.workflow_id}  {view.summary}".rstrip()
    path = " → ".join(visit.state for visit in view.path[-SHOWN_VISITS:])
    earlier = "… → " if view.visits > SHOWN_VISITS else ""
    yield f"path: {earlier}{path or 'not begun'}"
    yield f"{view.turns} turns, {view.tool_calls} tool calls; {usage_line(view.usage)}"
    if view.parent:
        yield f"inside the run: {view.parent}"
    for request in view.waiting_for:
        yield from waiting_lines(request)
    yield from wait_lines(view)
    for child in view.child_runs:
        asks = f"; it asks {child.asks}" if child.asks and not child.ending else ""
        yield f"child run, {child.step}: {child.workflow_id}, {child.ending or 'under way'}{asks}"
    if view.tries_again_at is not None and not view.waiting_for:
        yield f"tries again by itself at {local_time(view.tries_again_at)}: {view.reason}"
    if view.undone:
        yield f"undone: {', '.join(view.undone)}"
    if view.not_undone:
        yield f"not undone: {', '.join(view.not_undone)}"
    if view.refused_count:
        yield f"refused decisions: {view.refused_count}; the last: {view.refused_decisions[-1].reason}"


def waiting_lines(request: ApprovalRequest) -> Iterator[str]:
    """What is waited for, who may decide, and how."""
    yield f"waits for {who_may_decide(request)}: {request.title}"
    yield f"  read it: interlock approvals show {as_argument(request.id)}"
    yield f"  answer: {', '.join(option.value for option in request.options)}"


def wait_lines(view: RunView) -> Iterator[str]:
    """What is waited for from outside, and until when."""
    if view.wait is not None:
        yield f"waits for {view.wait.what} until {local_time(view.wait.until)} ({time_left(view.wait.until)})"


def who_may_decide(request: ApprovalRequest) -> str:
    """Roles, quorum and deadline."""
    people = " and ".join(_people(role, quorum) for role, quorum in people_demanded(request.obligations).items())
    given = f", {len(request.approvals)} approved" if request.approvals else ""
    until = f" until {local_time(request.deadline)} ({time_left(request.deadline)})" if request.deadline else ""
    return f"{people or 'somebody'}{given}{until}"


def _people(role: str, quorum: int) -> str:
    if quorum > 1:
        return f"{quorum} people as {role}"
    return f"{'an' if role[:1] in 'aeiou' else 'a'} {role}"
