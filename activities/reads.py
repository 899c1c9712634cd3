"""Reads that people's commands ask a worker for, so that nobody needs database credentials to look or to approve."""

from datetime import timedelta

from pydantic import Field, JsonValue, TypeAdapter
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.audit import Audit
from activities.authority import Authority, NothingInForce
from activities.budgets import Budgeting, BudgetLine
from activities.candidates import Candidate, Circle
from activities.clock import Clock
from activities.conversations import ContentErased, Contents, RunKey
from activities.decided import Decided
from activities.inbox import Inbox, InboxEntry, Starts, TooManyActive
from activities.taints import Taints
from contracts.audit import AuditKind, AuditRecord
from contracts.deployment import Deployment
from contracts.model import Model, Moment
from contracts.runs import CaseLookup, KnownCase
from contracts.skills import KnownAs, WhoQuery
from policies.document import cedar_files
from policies.rules import read_rules

MAX_LISTED = 200
EVERY_OPEN = 100_000
"""All open requests are gone through, so that nothing can hide a request from those who may sign it."""
MAX_READ_BYTES = 512 * 1024
AN_HOUR = timedelta(hours=1)
_SHOWN = TypeAdapter(dict[str, JsonValue])


class InboxQuery(Model):
    """Asks for open requests: all, or only what `approver` may sign at this moment."""

    approver: str = Field(default="", max_length=200)
    automation: str = Field(default="", max_length=100)
    limit: int = Field(default=MAX_LISTED, ge=1, le=MAX_LISTED)


class InboxPage(Model):
    """Open requests, the most urgent first."""

    requests: tuple[InboxEntry, ...]
    others: int = 0
    """Open requests that are not listed, because the approver may not sign them."""
    cut: bool = False
    """More could be listed than was asked for; the others are not counted then."""
    problem: str = ""
    """Why the approver may sign nothing at all at this moment."""
    decided_lately: int = 0
    """Decisions of the approver within the hour."""
    decisions_per_hour: int = 0
    """How many are taken of one person; 0 when that was not asked for."""


class RequestQuery(Model):
    """Asks for one request by its ID."""

    request_id: str
    reader: str = Field(default="", max_length=200)
    """Who looks, as they say; the audit chain keeps it."""


class ShownRequest(Model):
    """A request with exactly what its digest stands for, and what a decision must name."""

    entry: InboxEntry
    shown: dict[str, JsonValue]
    deployment: Deployment
    candidates: tuple[Candidate, ...] = ()
    """Who may decide at this moment, and who could if they were not away."""
    anybody: bool = False
    """Development without a roster: everybody may decide, except who asked."""
    problem: str = ""
    """Why nobody can be named."""
    approved_by: tuple[str, ...] = ()
    """While it is open."""
    notes: tuple[tuple[str, str], ...] = ()
    """Who has decided, and the note they gave; words of theirs."""
    rules: dict[str, str] = {}
    """Rule id -> its text in the policy in force, of the rules that ask."""
    taint: tuple[str, ...] = ()
    """What the run has read so far."""


class ContentQuery(Model):
    """Asks for stored text by its content address."""

    address: str
    reader: str = Field(default="", max_length=200)
    """Who looks, as they say; the audit chain keeps it."""


class BudgetOfRun(Model):
    """Every limit a run has, and what is spent of it."""

    lines: tuple[BudgetLine, ...] = ()


class Nothing(Model):
    """The input of a read that takes none."""


class ReadActivities:
    """Read-only, but for the record of who looked; run as standalone activities, outside any workflow."""

    def __init__(
        self,
        inbox: Inbox,
        contents: Contents,
        starts: Starts,
        decided: Decided,
        taints: Taints,
        authority: Authority,
        audit: Audit,
        budgeting: Budgeting,
        clock: Clock,
        deployment: Deployment,
        most_active_runs: int,
    ) -> None:
        self._inbox, self._contents, self._starts, self._decided = inbox, contents, starts, decided
        self._taints, self._authority, self._audit = taints, authority, audit
        self._clock, self._deployment, self._most_active = clock, deployment, most_active_runs
        self._budgeting = budgeting

    @activity.defn
    async def look_up_case(self, lookup: CaseLookup) -> KnownCase:
        """What is known of a business case, and whether another run would be taken now."""
        known = await self._starts.look_up(lookup.automation, lookup.business_key, lookup.request)
        if not self._most_active or (await self._starts.load()).active < self._most_active:
            return known
        return known.model_copy(update={"no_room": str(TooManyActive(self._most_active))})

    @activity.defn
    async def deployment_facts(self, _: Nothing) -> Deployment:
        """Which installation this is, and how strictly it takes decisions."""
        return self._deployment

    @activity.defn
    async def who_is(self, query: WhoQuery) -> KnownAs:
        """Who somebody is, and which roles they hold; a name that is merely like one of the roster is nobody's.

        Raises ApplicationError(type="NothingInForce") when nobody can tell.
        """
        now = await self._clock.now()
        circle = await self._circle(now)
        person = circle.roster.person(query.name)
        if person is None:
            return KnownAs(subject=query.name, everybody=circle.freely)
        if query.name not in (person.subject, *person.aliases):
            return KnownAs(subject=query.name, problem=f"{query.name!r} is not how the roster writes any name")
        roles = circle.roster.roles_of(person.subject, now)
        return KnownAs(subject=person.subject, roles=roles, service=person.service, problem=person.problem_at(now))

    @activity.defn
    async def waiting_requests(self, query: InboxQuery) -> InboxPage:
        """Open requests. Raises ApplicationError(type="NothingInForce") when nobody can tell who may sign."""
        found = await self._inbox.waiting(EVERY_OPEN)
        entries = [entry for entry in found if query.automation in ("", entry.automation)]
        if not query.approver:
            return InboxPage(requests=tuple(entries[: query.limit]), cut=len(entries) > query.limit)
        now = await self._clock.now()
        entries = [entry for entry in entries if entry.deadline is None or entry.deadline > now]
        circle = await self._circle(now)
        subject = circle.roster.subject_of(query.approver)
        roles = circle.roles_of(subject)
        mine: list[InboxEntry] = []
        for entry in entries:
            # roles first: that spares looking up who asked
            if circle.asks_for(entry, roles) and await self._may_sign(circle, entry, subject):
                mine.append(entry)
            if len(mine) > query.limit:
                break
        cut = len(mine) > query.limit
        return InboxPage(
            requests=tuple(mine[: query.limit]),
            others=0 if cut else len(entries) - len(mine),
            cut=cut,
            problem=circle.problem_of(subject),
            decided_lately=await self._decided.count_since(subject, now - AN_HOUR),
            decisions_per_hour=circle.roster.decisions_per_hour,
        )

    @activity.defn
    async def show_request(self, query: RequestQuery) -> ShownRequest:
        """One request, open or closed; who looked is recorded first. Raises ApplicationError(type="NoRequest")."""
        entry = await self._inbox.find(query.request_id)
        if entry is None:
            message = f"no request {query.request_id!r}; `interlock approvals list` shows the open ones"
            raise ApplicationError(message, type="NoRequest", non_retryable=True)
        await self._record(query.reader, entry.request_id, run=_run_of(entry))
        content = await self._unless_erased(entry.display_digest)
        request = ShownRequest(
            entry=entry,
            shown=_SHOWN.validate_json(content) if content else {},
            deployment=self._deployment,
            rules=await self._rules(entry),
            taint=tuple(sorted(taint.value for taint in await self._taints.of(_run_of(entry)))),
        )
        try:
            return await self._with_people(request)
        except NothingInForce as unknown:  # reading must go on, deciding cannot
            return request.model_copy(update={"problem": str(unknown)})

    @activity.defn
    async def read_content(self, query: ContentQuery) -> str:
        """Stored text, cut at 512 KiB; who looked is recorded first. Raises ApplicationError(type="NoContent")."""
        try:
            content = await self._contents.get(query.address)
        except ContentErased as erased:
            raise ApplicationError(str(erased), type="NoContent", non_retryable=True) from erased
        if content is None:
            raise ApplicationError(f"nothing is stored under {query.address}", type="NoContent", non_retryable=True)
        await self._record(query.reader, query.address)
        return content[:MAX_READ_BYTES].decode(errors="replace")

    @activity.defn
    async def budget_of_run(self, run: RunKey) -> BudgetOfRun:
        """What is spent of each limit; nothing for a run that was never registered.

        Raises ApplicationError(type="NothingInForce") when nobody can tell whose budget it is.
        """
        start = await self._starts.find(run)
        if start is None:
            return BudgetOfRun()
        try:
            standing = await self._budgeting.standing(run, start, await self._clock.now())
        except NothingInForce as unknown:
            raise ApplicationError(str(unknown), type="NothingInForce", non_retryable=True) from unknown
        return BudgetOfRun(lines=standing.lines)

    async def _circle(self, now: Moment) -> Circle:
        try:
            roster = await self._authority.roster()
        except NothingInForce as unknown:
            raise ApplicationError(str(unknown), type="NothingInForce", non_retryable=True) from unknown
        return Circle.of(roster, await self._authority.break_glass(), self._deployment, now)

    async def _may_sign(self, circle: Circle, entry: InboxEntry, subject: str) -> bool:
        record = await self._starts.find(_run_of(entry))
        if record is None or circle.barrier(entry, record.start, subject) is not None:
            return False
        return subject not in await self._decided.deciders(entry.first_run_id, entry.request_id)

    async def _with_people(self, request: ShownRequest) -> ShownRequest:
        entry = request.entry
        roster, grants = await self._authority.roster(), await self._authority.break_glass()
        circle = Circle.of(roster, grants, self._deployment, await self._clock.now())
        record = await self._starts.find(_run_of(entry))
        if record is None:
            return request.model_copy(update={"problem": "this run has no start record; nothing can be decided for it"})
        deciders = await self._decided.deciders(entry.first_run_id, entry.request_id)
        people = {
            "candidates": circle.candidates(entry, record.start),
            "anybody": circle.freely,
            "approved_by": tuple(map(circle.name_of, deciders)) if entry.closed_at is None else (),
            "notes": await self._notes(entry),
        }
        return request.model_copy(update=people)

    async def _notes(self, entry: InboxEntry) -> tuple[tuple[str, str], ...]:
        found = await self._decided.notes(entry.first_run_id, entry.request_id)
        contents = [(who, await self._unless_erased(address)) for who, address in found]
        return tuple((who, content.decode()) for who, content in contents if content is not None)

    async def _unless_erased(self, address: str) -> bytes | None:
        """Of a closed request what people saw and said may be gone; who decided, and how, is shown all the same."""
        try:
            return await self._contents.get(address)
        except ContentErased:
            return None

    async def _rules(self, entry: InboxEntry) -> dict[str, str]:
        try:
            files = (await self._authority.policy()).files
        except NothingInForce:
            return {}
        asking = {obligation.rule_id for obligation in entry.obligations}
        rules, _ = read_rules(cedar_files(files))
        return {rule.id: rule.text for rule in rules if rule.id in asking}

    async def _record(self, reader: str, about: str, run: RunKey | None = None) -> None:
        """Nothing is shown that is not recorded: when the chain cannot be written, the read fails."""
        named = run.model_dump() if run else {}
        at = await self._clock.now()
        await self._audit.append(AuditRecord(kind=AuditKind.READ, at=at, who=reader, about=about, **named))


def _run_of(entry: InboxEntry) -> RunKey:
    return RunKey(workflow_id=entry.workflow_id, first_run_id=entry.first_run_id)
