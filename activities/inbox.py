"""The port to the inbox of requests, and to the register of runs."""

from typing import Protocol

from pydantic import JsonValue

from activities.alike import Alike
from activities.conversations import RunKey
from activities.notices import Notice
from contracts.decisions import RequestEvent, RequestKind, Verdict
from contracts.model import Model, Moment
from contracts.policy import Obligation
from contracts.runs import KnownCase, RunsFound, RunsToFind, StartStatement


class InboxEntry(Model):
    """A request as the inbox lists it."""

    request_id: str
    kind: RequestKind
    automation: str
    workflow_id: str
    first_run_id: str
    state: str
    title: str
    action_digest: str
    display_digest: str
    obligations: tuple[Obligation, ...]
    options: tuple[Verdict, ...]
    requester: str
    opened_at: Moment
    deadline: Moment | None = None
    remind_at: Moment | None = None
    hand_on_at: Moment | None = None
    hand_ons: dict[str, Moment] = {}
    """Rule id -> when the next role may decide for that rule as well, provided the request was handed on."""
    reminded_at: Moment | None = None
    handed_on_at: Moment | None = None
    """From then on the holders of the next roles may decide as well, each where its rule has come to that."""
    alike: Alike | None = None
    """What it has in common with requests that ask the same of other cases."""
    closed_at: Moment | None = None
    outcome: str = ""
    by: str = ""


class Passing(Model):
    """Something that happened to a request while it waited."""

    event: RequestEvent
    at: Moment


class Inbox(Protocol):
    """Requests to people, as rows that can be listed without asking every run."""

    async def open(self, entry: InboxEntry, notices: tuple[Notice, ...] = ()) -> None:
        """List a request and enter the notices of it; opening the same request again changes nothing."""

    async def pass_on(self, entry: InboxEntry, passing: Passing, notices: tuple[Notice, ...] = ()) -> None:
        """Record a reminder, or that a request was handed on, and enter the notices of it; each once."""

    async def close(
        self, entry: InboxEntry, outcome: str, by: str, at: Moment, notices: tuple[Notice, ...] = ()
    ) -> None:
        """Take a request out of the open ones and enter the notices of that; closing it again changes nothing."""

    async def waiting(self, limit: int) -> tuple[InboxEntry, ...]:
        """Open requests: those with a deadline first, the nearest first, then the oldest."""

    async def find(self, request_id: str, first_run_id: str = "") -> InboxEntry | None:
        """One request, open or closed, or None; of this run, or of the latest one."""


class StartRecord(Model):
    """Who asked for a run, as registered."""

    run: RunKey
    start: StartStatement
    request: dict[str, JsonValue]


class Load(Model):
    """The registered runs that have not ended."""

    active: int
    """Those that do not wait for people, nor for a child run."""
    waiting: int
    """Those that wait for people, or for a child run: they cost nothing but room in the store."""


class Starts(Protocol):
    """Start records and business keys, kept for good."""

    async def register(self, record: StartRecord, at: Moment, most_active: int = 0) -> StartRecord:
        """Register a run under its workflow id and first run id; when it is registered already, return that record.

        Takes the business key and the statement's nonce as well. Raises CaseTaken when another run holds the key and
        `start.again` is empty, NonceUsed when another run was started with this statement, NameUsed when another run
        had this workflow id: what other systems keep under the id of a run is that run's alone. Raises TooManyActive
        when `most_active` (0: no limit) runs or more are active; auditors are told of that, and nothing else is kept.
        Raises CaseErased when this very run was registered, and erased since. A child run uses its entry up and is
        tainted by what its parent has read; raises NoChild when the entry was used, or the parent has ended since.
        """

    async def load(self) -> Load:
        """How many runs are under way now."""

    async def find(self, run: RunKey) -> StartRecord | None:
        """The start record of a run, or None; a run that was erased has none any more, so it has no effect either."""

    async def end(self, run: RunKey, ending: str, at: Moment) -> None:
        """Record the ending of a run beside its business key."""

    async def look_up(self, automation: str, business_key: str, request: dict[str, JsonValue]) -> KnownCase:
        """What is known of a business case, and which top-level fields of its input differ from `request`."""

    async def find_runs(self, wanted: RunsToFind) -> RunsFound:
        """The runs of an automation that have one of these names or business keys, the newest first."""

    async def pseudonym(self, requester: str) -> str:
        """A stable name for a requester that does not reveal it (HMAC under a key kept in the store)."""


class NameUsed(Exception):
    """Another run was registered under this workflow id."""


class NonceUsed(Exception):
    """Another run was started with this very statement."""


class CaseErased(Exception):
    """What was kept of this run was erased, so that it cannot go on, whoever has reset it."""

    def __init__(self, at: Moment) -> None:
        super().__init__(
            f"what was kept of this run was erased at {at:%Y-%m-%d %H:%M:%S} UTC; start it anew with --again REASON"
        )


class TooManyActive(Exception):
    """As many runs are active as this deployment takes."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} runs are under way, which is the most this deployment takes (INTERLOCK_MOST_ACTIVE_RUNS); "
            "start it again later"
        )


class CaseTaken(Exception):
    """Another run holds this business key."""

    def __init__(self, automation: str, business_key: str, workflow_id: str, first_run_id: str) -> None:
        super().__init__(f"{automation} {business_key!r} was started before: {workflow_id} ({first_run_id})")
        self.workflow_id, self.first_run_id = workflow_id, first_run_id
