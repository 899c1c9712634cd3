"""A run: who asked for it, the state it carries, and what it shows."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import ConfigDict, Field, JsonValue

from contracts.claude import Usage
from contracts.decisions import ApprovalRequest, DecidedRequest, Decision, Verdict
from contracts.model import Model, Moment
from contracts.signing import NONCE
from contracts.tools import ToolCall

TASK_QUEUE = "interlock"
WORKFLOW_TASK_TIMEOUT = timedelta(seconds=5)
"""So long a run stands still whose worker died in the middle of a workflow task, for example of a read made at once."""
MAX_INPUT_BYTES = 32 * 1024
MAX_INBOX = 100
LONGEST_DELAY = 60
"""Of a growing delay, as a multiple of the first one."""
MOST_AROUND = 3
"""Runs stand inside each other at most four deep: a run has at most so many around it."""


class BuiltIn(StrEnum):
    """The states every machine has beside its own."""

    ESCALATED = "escalated"
    CANCELLED = "cancelled"
    UNDO_INCOMPLETE = "undo_incomplete"


class Ancestor(Model):
    """A run inside which another one was started."""

    workflow_id: str = Field(min_length=1, max_length=400)
    first_run_id: str = Field(min_length=1, max_length=100)
    automation: str = Field(min_length=1, max_length=100)


class StartStatement(Model):
    """Who asked for this run. Unsigned in development mode only, and of a child run: its parent's record proves it."""

    requester: str = Field(min_length=1, max_length=200)
    automation: str = Field(min_length=1, max_length=100)
    business_key: str = Field(min_length=1, max_length=300)
    input_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    issued_at: Moment
    again: str = Field(default="", max_length=300)
    """Why a business case is deliberately started anew."""
    v: Literal[1] = 1
    deployment: str = Field(default="", max_length=200)
    workflow_id: str = Field(default="", max_length=400)
    """The one run that this statement may start."""
    on_behalf_of: tuple[str, ...] = ()
    """For whom a service asks, the nearest first; these people are excluded from approving too."""
    signer: str = Field(default="", max_length=120)
    """Whose key signed: the requester's own, or that of a service."""
    key_id: str = Field(default="", max_length=64)
    nonce: str = Field(default="", max_length=100, pattern=NONCE)
    signature: str | None = Field(default=None, max_length=200)
    inside: tuple[Ancestor, ...] = Field(default=(), max_length=MOST_AROUND, exclude_if=lambda around: not around)
    """Of a child run: the runs around it, the outermost first, its parent last. What nobody says is not signed over."""


class Visit(Model):
    """One entry into a state. Part of RunView, and read by other versions as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: str
    at: Moment
    failed: bool = False
    """A step of the state before failed, and the machine says that this follows."""


class RetryRule(Model):
    """How long an undo is tried before people are asked."""

    within: float = Field(default=43_200, gt=0)
    """Seconds from the first attempt on, for all of them together."""
    every: float = Field(default=1, gt=0)
    """Seconds before it is tried again; doubled each time, up to sixty times as long."""
    times: int = Field(default=0, ge=0, le=20)
    """How often an undo that was answered with no is tried again as a new intention."""

    def delay(self, tried: int) -> float:
        """Seconds to wait after `tried` earlier waits."""
        growth: int = min(2**tried, LONGEST_DELAY)
        return self.every * growth


class Compensation(Model):
    """The registered undo of an effect: a tool call, kept as data, and how far it has come."""

    call: ToolCall
    undoes: str
    """The step it undoes, in words people read."""
    patience: RetryRule = RetryRule()
    tried: int = 0
    """How often it was tried again by itself."""
    since: Moment | None = None
    """When it was tried first; people who say retry begin anew."""
    again_at: Moment | None = None
    """Not to be tried before."""


class Unanswered(Model):
    """A call that was sent, and nobody knows whether it happened."""

    call: ToolCall
    action_digest: str


class Resolution(Model):
    """Input of the activity that takes a person's word for what came of a call."""

    unanswered: Unanswered
    decision: Decision


class Escalation(Model):
    """Why a run waits for a person to choose, and where each option leads."""

    from_state: str
    problem: str = Field(max_length=400)
    options: dict[Verdict, str]
    """Option -> the state the run resumes in."""
    step: str = ""
    """The step that failed; a retry gives it a new occurrence when `renew` is set."""
    renew: bool = False
    value_hint: str = ""
    """With `supply`: what value is wanted, and in which form."""
    extends: str = ""
    """With `extend`: how people say how much more may be spent."""
    undoing: bool = False
    """An undo failed; abandoning then ends in UNDO_INCOMPLETE."""
    unanswered: Unanswered | None = None
    """The call of which nobody knows whether it happened; the options then say what came of it."""


class RefusedDecision(Model):
    """A decision that did not count, and why."""

    approval_id: str
    approver: str
    reason: str
    at: Moment


class Refusal(Model):
    """A call that policy forbade, kept for the people who look at the run."""

    tool: str
    reason: str
    allowing_rule: str = ""
    """Development mode only: the Cedar rule that would allow it."""


class ChildRun(Model):
    """A child run, as its parent remembers it. Part of RunView, and read by other versions as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: str
    workflow_id: str
    ending: str = ""
    """The state it ended in; empty while it is under way."""
    asks: str = ""
    """What it asks people now, by its own word: shown, and nothing more."""


class Wait(Model):
    """What a run waits for that neither people nor a child run answer. Part of RunView, and read by other versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    what: str = Field(max_length=200)
    until: Moment


class Case(Model):
    """A run's whole state. Subclasses add `request`, the automation's input, and the facts of the business.

    The same model starts a run (only `request` and `start` set) and continues it as new.
    """

    start: StartStatement
    state: str = ""
    path: tuple[Visit, ...] = ()
    visits: int = 0
    compensations: tuple[Compensation, ...] = ()
    undone: tuple[str, ...] = ()
    """The last effects that were undone, in words people read, in the order they were undone."""
    undoing_to: str = ""
    """A step failed, everything is being undone, and this state follows."""
    tries: int = 0
    """How often the run has come back to its state because a step failed there."""
    again_at: Moment | None = None
    """When the state is acted in again after a failed step."""
    occurrences: dict[str, int] = {}
    requests: tuple[ApprovalRequest, ...] = ()
    request_count: int = 0
    decided: tuple[DecidedRequest, ...] = ()
    inbox: tuple[Decision, ...] = ()
    refused_decisions: tuple[RefusedDecision, ...] = ()
    refused_count: int = 0
    refusals: tuple[Refusal, ...] = ()
    """The last few calls that policy forbade."""
    escalation: Escalation | None = None
    supplied: str = ""
    cancelling: bool = False
    """The run was cancelled or abandoned: it undoes what it did, and nothing else."""
    usage: Usage = Usage()
    turns: int = 0
    counted: dict[str, int] = {}
    """Conversation -> how many of its turns are in `usage` and `turns`: one that is read again counts once."""
    tool_calls: int = 0
    taint: tuple[str, ...] = ()
    """What the run has read, as the gate says: `private`, `untrusted`. Shown, never trusted."""
    audited_visits: int = 0
    """Entries into states that the audit chain has."""
    child_runs: tuple[ChildRun, ...] = ()
    """Those under way, and the last ones that ended."""
    wait: Wait | None = None
    """What it waits for from outside, while it does."""
    unregistered: bool = False
    """Its registration was refused, so it does nothing."""
    doubts: tuple[str, ...] = ()
    """Calls of which nobody knows whether they happened, as long as nobody has found out."""
    told: str = ""
    """Digest of the situation that Claude was last told, and of the conversation it was told in."""
    not_at_once: tuple[str, ...] = ()
    """Tools of the last reads that could not be made at once; one that stands here often is no longer tried so."""
    summary: str = ""
    reason: str = ""
    """Why the run is where it is, in one sentence; the last one stands when it ends."""

    @property
    def tries_again_at(self) -> datetime | None:
        """When the state, or the undo that failed last, is tried again by itself."""
        return self.again_at or (self.compensations[-1].again_at if self.compensations else None)

    @property
    def waits_for_children(self) -> bool:
        """A child run is under way."""
        return any(not child.ending for child in self.child_runs)


CaseT = TypeVar("CaseT", bound=Case)


class RunView(Model):
    """What the query `view` answers: everything a person or a script needs to follow a run.

    Read by other versions of the CLI, so fields that are not known yet are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    automation: str
    workflow_id: str
    first_run_id: str
    requester: str
    summary: str = ""
    state: str
    final: bool
    path: tuple[Visit, ...]
    visits: int = 0
    waiting_for: tuple[ApprovalRequest, ...] = ()
    decided: tuple[DecidedRequest, ...] = ()
    refused_decisions: tuple[RefusedDecision, ...] = ()
    refused_count: int = 0
    refusals: tuple[Refusal, ...] = ()
    usage: Usage = Usage()
    turns: int = 0
    tool_calls: int = 0
    taint: tuple[str, ...] = ()
    reason: str = ""
    undone: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()
    """What is left once undoing has begun, newest first; empty before."""
    tries_again_at: Moment | None = None
    """When the state, or the undo that failed last, is tried again by itself."""
    answer_ref: str = ""
    facts: dict[str, JsonValue] = {}
    wait: Wait | None = None
    """What it waits for from outside, while it does."""
    child_runs: tuple[ChildRun, ...] = ()
    parent: str = ""
    """The run that has started this one and waits for it; empty for a run that somebody has asked for."""


class Ending(Model):
    """A run's result: the final state alone answers why."""

    state: str
    reason: str = ""
    answer_ref: str = ""
    taint: tuple[str, ...] = ()
    """Of a child run: what it has read. Shown by its parent; what counts is in the store."""
    refused: bool = False
    """Of a child run: it was not registered, and did nothing; the reason says why."""


class Registered(Model):
    """Output of registering a run: what the workflow may show of the requester."""

    requester_pseudonym: str
    refused: str = ""
    """Why this run may not go on: the business case is taken, or the start statement does not fit the input."""
    taint: tuple[str, ...] = ()
    """Of a child run: what its parent had read, which it begins with."""


class RunEnded(Model):
    """Input of the activity that records how a run ended."""

    state: str
    reason: str = ""


class RunsToFind(Model):
    """Input of the read that tells which runs of an automation hold a matter."""

    automation: str = Field(min_length=1, max_length=100)
    workflow_ids: tuple[str, ...] = Field(default=(), max_length=20)
    business_keys: tuple[str, ...] = Field(default=(), max_length=20)


class RunFound(Model):
    """A registered run, and what became of it."""

    workflow_id: str
    ending: str = ""
    """Empty while it is under way."""


class RunsFound(Model):
    """The newest first."""

    runs: tuple[RunFound, ...] = ()

    @property
    def under_way(self) -> tuple[str, ...]:
        """The names of those that have not ended."""
        return tuple(run.workflow_id for run in self.runs if not run.ending)

    def ending_of(self, workflow_id: str) -> str | None:
        """How the run of this name ended; empty while it is under way, None where there is none."""
        return next((run.ending for run in self.runs if run.workflow_id == workflow_id), None)


class RunToRegister(Model):
    """Input of the activity that verifies and stores the start record."""

    start: StartStatement
    request: dict[str, JsonValue]


class CaseLookup(Model):
    """Input of the read that tells whether a business case was started before."""

    automation: str
    business_key: str
    request: dict[str, JsonValue]


class KnownCase(Model):
    """What the store knows of a business case."""

    workflow_id: str = ""
    first_run_id: str = ""
    same_input: bool = False
    differing_fields: tuple[str, ...] = ()
    ending: str = ""
    """Empty while the run is under way."""
    starts: int = 0
    """How often the case was started; `--again` adds one, and the number to the workflow id."""
    erased_at: Moment | None = None
    """When what was kept of its run was erased: then `differing_fields` is empty, whether the input differs or not."""
    no_room: str = ""
    """Why no other run would be taken now; empty while there is room."""

    @property
    def exists(self) -> bool:
        """The case was started before."""
        return bool(self.workflow_id)
