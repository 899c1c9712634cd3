"""Runs by way of skills: start one or attach to it, look at it, wait for it, and ask it to stop."""

import asyncio
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from activities.reads import ContentQuery
from cli.exits import NotReachable, Refused
from cli.inputs import Fields, checked
from cli.outside import as_argument
from cli.server import Server
from cli.skill_callers import Allowed
from cli.starting import KeyFor, make_order, start
from cli.watching import LOOKS_EVERY, ending_of, who_may_decide
from contracts.authority import LONGEST_REASON
from contracts.decisions import ApprovalRequest
from contracts.escaping import plain
from contracts.model import Model
from contracts.runs import RunView
from contracts.skills import Question, RunHandle
from workers.resources.skills.desk import Talk
from workflows.catalog import Catalog, CatalogEntry

RUN: Final = r"^[A-Za-z0-9._/~-]+$"
LONGEST_WAIT: Final = 600
"""Seconds."""
LONGEST_ANSWER: Final = 50_000
"""Characters."""
GO_ON, LEAVE = "go on waiting", "come back later"
_DECIDES_NOTHING: Final = "What you answer here decides nothing; the run goes on once it was decided by that command."


class RunNamed(Model):
    """Names a run."""

    run: str = Field(max_length=400, pattern=RUN, description="The run, such as refund/A-17, from a handle.")


class Wait(RunNamed):
    """Names a run to wait for."""

    seconds: int = Field(default=60, ge=1, le=LONGEST_WAIT, description="Wait so long at most.")
    for_people: bool = Field(default=False, description="Go on waiting although it waits for people to decide.")


class Cancel(RunNamed):
    """Names a run to cancel."""

    reason: str = Field(
        min_length=1, max_length=LONGEST_REASON, pattern=r"\S", description="Why; it is kept with the run."
    )


@dataclass(frozen=True)
class SkilledRuns:
    """What callers do with runs."""

    server: Server
    catalog: Catalog
    key_for: KeyFor
    """The key that signs starts: a service's, or none in development. Never a person's."""

    async def start(self, entry: CatalogEntry, fields: Fields, allowed: Allowed) -> RunHandle:
        """Start a run in the caller's name, or attach to the one of the same case. Raises CommandFailed."""
        request = checked(entry.name, entry.request, fields)
        started = await start(self.server, make_order(entry, request, allowed.name, again=""), self.key_for)
        ended = bool(started.ending)
        return RunHandle(
            run=started.run,
            automation=entry.name,
            state=started.ending,
            final=ended,
            good=self._is_good(entry.name, started.ending) if ended else None,
            attached=not started.new,
            next="call run_status with this run" if ended else "call wait_for_run with this run",
        )

    async def status(self, named: RunNamed, allowed: Allowed) -> RunHandle:
        """Where a run of the caller's stands. Raises Refused."""
        view = await self._view(named.run, allowed)
        wanted = ContentQuery(address=view.answer_ref, reader=allowed.name)
        answer = await self.server.read("read_content", wanted, str) if view.answer_ref else ""
        return self._handle(view, _cut(answer, named.run))

    async def wait(self, wanted: Wait, allowed: Allowed, talk: Talk) -> RunHandle:
        """Follow a run of the caller's for a bounded time, and tell of every state. Raises Refused."""
        view = await self._view(wanted.run, allowed)
        result = asyncio.ensure_future(ending_of(self.server, wanted.run, None))
        until = asyncio.get_running_loop().time() + wanted.seconds
        told, asked = _Told(talk), set[str]()
        try:
            while not view.final and not result.done():
                await told.news_of(view)
                left = until - asyncio.get_running_loop().time()
                new = {request.id for request in view.waiting_for} - asked
                if left <= 0 or (new and not wanted.for_people and not await _goes_on(view, talk, left)):
                    break
                asked |= new
                await asyncio.wait({result}, timeout=min(left, LOOKS_EVERY.total_seconds()))
                view = await self._later(view, allowed)
            await told.news_of(view)
            if result.done():
                result.result()  # raises where Temporal ended the run, which has no ending of its own then
        finally:
            result.cancel()
            await asyncio.gather(result, return_exceptions=True)
        return await self.status(wanted, allowed)

    async def cancel(self, wanted: Cancel, allowed: Allowed) -> RunHandle:
        """Ask a run of the caller's to stop; it undoes what it did. Raises Refused."""
        view = await self._view(wanted.run, allowed)
        if view.final:
            raise Refused(f"{wanted.run} has ended already ({view.state}); there is nothing to cancel")
        reason = f"{wanted.reason.strip()} (asked by {allowed.name})"
        await self.server.handle(wanted.run, view.first_run_id).cancel(reason=reason)
        return self._handle(view, "").model_copy(update={"next": "call wait_for_run: it undoes what it did, and ends"})

    async def _view(self, run: str, allowed: Allowed) -> RunView:
        """A run that the caller may see. One answer for all others, so that nobody learns which runs there are."""
        try:
            view = await self.server.view(run)
        except (Refused, NotReachable) as problem:
            raise _none_of_yours(run) from problem
        if not allowed.sees(view):
            raise _none_of_yours(run)
        return view

    async def _later(self, before: RunView, allowed: Allowed) -> RunView:
        """As it stands now; as it stood, while nobody answers."""
        try:
            return await self._view(before.workflow_id, allowed)
        except Refused:
            return before

    def _handle(self, view: RunView, answer: str) -> RunHandle:
        return RunHandle(
            run=view.workflow_id,
            automation=view.automation,
            state=view.state,
            final=view.final,
            good=self._is_good(view.automation, view.state) if view.final else None,
            reason=view.reason,
            facts=view.facts,
            answer=answer,
            waits_for=tuple(_question(request) for request in view.waiting_for),
            next=_next(view),
        )

    def _is_good(self, automation: str, state: str) -> bool:
        return state in {good.value for good in self.catalog.find(automation).machine.good}


@dataclass
class _Told:
    """Tells of a run what was not told yet."""

    talk: Talk
    visits: int = 0

    async def news_of(self, view: RunView) -> None:
        new = min(view.visits - self.visits, len(view.path))
        for visit in view.path[len(view.path) - new :]:
            await self.talk.tell(f"{view.workflow_id}: {visit.state}")
        self.visits = view.visits


def _cut(answer: str, run: str) -> str:
    """What fits into one message of any client."""
    more = len(answer) - LONGEST_ANSWER
    whole = f"`interlock runs show {as_argument(run)}` has all of it"
    return answer if more <= 0 else f"{answer[:LONGEST_ANSWER]} … {more} more characters; {whole}"


def _none_of_yours(run: str) -> Refused:
    return Refused(f"no run {run!r} of yours answers; take its name from its handle, or try again")


async def _goes_on(view: RunView, talk: Talk, within: float) -> bool:
    """Whether whoever sits behind the client wants to go on waiting. Nothing they say here decides anything."""
    about = " ".join(request.id for request in view.waiting_for)
    message = "\n".join((*(_told_to_people(request) for request in view.waiting_for), _DECIDES_NOTHING))
    return await talk.ask(about, message, (GO_ON, LEAVE), within) == GO_ON


def _told_to_people(request: ApprovalRequest) -> str:
    question = _question(request)
    return f"It waits for {question.who}: {plain(question.asks)}\nRead it with: {question.command}"


def _question(request: ApprovalRequest) -> Question:
    return Question(
        request=request.id,
        asks=request.title,
        who=who_may_decide(request),
        until=request.deadline,
        answers=tuple(option.value for option in request.options),
        command=reading(request.id),
    )


def reading(request_id: str) -> str:
    """The command by which a person reads a request; it prints how to decide."""
    return f"interlock approvals show {as_argument(request_id)}"


def _next(view: RunView) -> str:
    if view.final:
        return "it has ended"
    if view.waiting_for:
        return "tell the user what it waits for, with the command; then call wait_for_run with for_people"
    return "call wait_for_run"
