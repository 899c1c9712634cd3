"""Put requests to people into the inbox, remind of them, hand them on, and take them out; people are told each time."""

import re
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.alike import Alike, alike_of
from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.conversations import Contents, RunKey
from activities.deadlines import Span, earliest, hand_ons, remind, within
from activities.identity import CurrentRun
from activities.inbox import Inbox, InboxEntry, Passing, Starts
from activities.ledger import Ledger
from activities.notices import Notice, NoticeEvent
from activities.orphans import ORPHANED
from activities.telling import notices_of
from contracts.canonical import canonical_json, digest
from contracts.decisions import OpenedRequest, RequestEvent, RequestKind, RequestToClose, RequestToOpen, RequestToPass
from contracts.roster import Roster
from contracts.tools import Action
from policies.calendars import Calendar, CalendarUnusable, load_calendars
from policies.document import CALENDARS

TOLD = {RequestEvent.REMINDED: NoticeEvent.REMINDER, RequestEvent.HANDED_ON: NoticeEvent.HANDED_ON}
EXPIRED = "expired"


@dataclass(frozen=True)
class _Question:
    """What people are asked, and exactly what they are shown of it."""

    request: RequestToOpen
    requester: str
    alike: Alike | None
    shown: bytes


class PeopleActivities:
    """What people are asked, shown and told."""

    def __init__(
        self,
        inbox: Inbox,
        contents: Contents,
        starts: Starts,
        authority: Authority,
        current: CurrentRun,
        clock: Clock,
        ledger: Ledger,
    ) -> None:
        self._ledger = ledger
        self._inbox, self._contents, self._starts = inbox, contents, starts
        self._authority, self._current, self._clock = authority, current, clock

    @activity.defn
    async def open_request(self, request: RequestToOpen) -> OpenedRequest:
        """Store exactly what people will be shown, by content address, list the request, and tell people.

        A number stands for one question: a run that was reset and asks anew under it is told to take the next one.
        What was answered then is not taken for an answer now, and what is still open is closed.
        Raises ApplicationError while nothing is in force to take deadlines and recipients from.
        """
        run = await self._current.key()
        prefix, _, number = request.request_id.rpartition("#")
        if prefix != run.workflow_id or not re.fullmatch(r"[1-9][0-9]{0,8}", number):
            message = f"{request.request_id[:100]!r} is no request of {run.workflow_id!r}; a run opens its own"
            raise ApplicationError(message, type="NotItsOwn", non_retryable=True)
        question = await self._question(request, run)
        standing = await self._inbox.find(request.request_id, run.first_run_id)
        if standing is None:
            entry = await self._entry(question, run)
            await self._inbox.open(entry, await self._notices(entry, NoticeEvent.REQUEST))
            standing = await self._inbox.find(request.request_id, run.first_run_id) or entry
        another = standing.display_digest != digest(question.shown)
        if another:
            await self._orphan(standing)
        return OpenedRequest(
            used=another or standing.closed_at is not None,
            display_digest=standing.display_digest,
            deadline=standing.deadline or standing.opened_at,
            remind_at=standing.remind_at,
            hand_on_at=standing.hand_on_at,
        )

    @activity.defn
    async def pass_request(self, request: RequestToPass) -> None:
        """Remind people of a request, or hand it on to the next role as well; once, however often it is asked for."""
        run = await self._current.key()
        entry = await self._inbox.find(request.request_id, run.first_run_id)
        if entry is None or entry.closed_at is not None:
            return
        passing = Passing(event=request.event, at=await self._clock.now())
        await self._inbox.pass_on(entry, passing, await self._notices(entry, TOLD[request.event]))

    @activity.defn
    async def close_request(self, request: RequestToClose) -> None:
        """Take a request out of the inbox, and tell whoever asked."""
        run = await self._current.key()
        entry = await self._inbox.find(request.request_id, run.first_run_id)
        if entry is None:
            return
        await self._close(entry, request.outcome, request.by)

    async def _orphan(self, standing: InboxEntry) -> None:
        """The run asks anew under its number, so it no longer holds it: numbers only grow."""
        if standing.closed_at is None:
            await self._close(standing, ORPHANED, "")

    async def _close(self, entry: InboxEntry, outcome: str, by: str) -> None:
        event = NoticeEvent.EXPIRED if outcome == EXPIRED else NoticeEvent.DECIDED
        told = entry.model_copy(update={"outcome": outcome, "by": by})
        notices = await self._notices(told, event)
        await self._inbox.close(entry, outcome, by, await self._clock.now(), notices)

    async def _question(self, request: RequestToOpen, run: RunKey) -> _Question:
        record = await self._starts.find(run)
        if record is None:
            message = "this run has no start record; nobody is asked for it"
            raise ApplicationError(message, type="NoStartRecord", non_retryable=True)
        request = request.model_copy(update={"automation": record.start.automation})  # shown to people, too
        action = await self._contents.get(request.action_digest)
        alike = alike_of(action)
        if request.kind is not RequestKind.ESCALATION and alike is None:
            message = "nobody is asked to sign what they cannot be shown; have the gate rule on the call first"
            raise ApplicationError(message, type="NothingToShow", non_retryable=True)
        shown: dict[str, JsonValue] = {
            "request": request.model_dump(mode="json"),
            "run": run.model_dump(mode="json"),
            "requester": record.start.requester,
            "action": action.decode() if action else "",
        }
        if record.start.inside:
            shown["inside"] = " > ".join(each.workflow_id for each in record.start.inside)
        if request.kind is RequestKind.OUTCOME:
            shown["sent"] = await self._sent(action)
        return _Question(request, record.start.requester, alike, canonical_json(shown))

    async def _entry(self, question: _Question, run: RunKey) -> InboxEntry:
        request, calendars = question.request, await self._calendars()
        handed_on = _hand_ons(request, calendars)
        return InboxEntry(
            request_id=request.request_id,
            kind=request.kind,
            automation=request.automation,
            workflow_id=run.workflow_id,
            first_run_id=run.first_run_id,
            state=request.state,
            title=request.title,
            action_digest=request.action_digest,
            display_digest=await self._contents.put(question.shown),
            obligations=request.obligations,
            options=request.options,
            requester=question.requester,
            opened_at=await self._clock.now(),
            deadline=_due(request, within, calendars),
            remind_at=_due(request, remind, calendars),
            hand_on_at=min(handed_on.values(), default=None),
            hand_ons=handed_on,
            alike=question.alike,
        )

    async def _sent(self, action: bytes | None) -> JsonValue:
        """What the ledger knows of a call without an answer: what a person needs to find out what came of it."""
        entry = await self._ledger.find(Action.model_validate_json(action or b"").key)
        if entry is None:
            return None
        known = {"key", "effect_class", "sends", "first_sent_at", "last_sent_at", "lookups", "looked_up_at"}
        return entry.model_dump(mode="json", include=known)

    async def _calendars(self) -> dict[str, Calendar]:
        try:
            policy = await self._authority.policy()
            return load_calendars(policy.files.get(CALENDARS, ""))
        except (NothingInForce, CalendarUnusable) as problem:
            raise ApplicationError(str(problem), type=type(problem).__name__) from problem

    async def _notices(self, entry: InboxEntry, event: NoticeEvent) -> tuple[Notice, ...]:
        return notices_of(entry, event, await self._roster(), await self._clock.now())

    async def _roster(self) -> Roster:
        try:
            return await self._authority.roster()
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing


def _hand_ons(request: RequestToOpen, calendars: dict[str, Calendar]) -> dict[str, datetime]:
    try:
        return hand_ons(request.obligations, request.asked_at, calendars)
    except CalendarUnusable as unusable:
        raise ApplicationError(str(unusable), type="CalendarUnusable") from unusable


def _due(request: RequestToOpen, span_of: Span, calendars: dict[str, Calendar]) -> datetime | None:
    try:
        return earliest(request.obligations, span_of, request.asked_at, calendars)
    except CalendarUnusable as unusable:
        raise ApplicationError(str(unusable), type="CalendarUnusable") from unusable
