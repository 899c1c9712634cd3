"""Requests to people and their decisions: one shape for approvals and escalations (DESIGN section 7)."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.model import Model, Moment
from contracts.policy import Obligation

MAX_DECISION_BYTES = 8 * 1024


class Verdict(StrEnum):
    """What an approver answers. The first three answer approvals, the others are the options of an escalation."""

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"

    RETRY = "retry"
    SUPPLY = "supply"
    SKIP = "skip"
    TAKE_OVER = "take_over"
    ABANDON = "abandon"


APPROVAL_VERDICTS = (Verdict.APPROVE, Verdict.REJECT, Verdict.RETURN)


class Decision(Model):
    """One approver's answer to one request. The statement that is signed is every field but `signature`."""

    v: Literal[1] = 1
    deployment: str = Field(max_length=200)
    namespace: str = Field(max_length=200)
    workflow_id: str = Field(max_length=400)
    first_run_id: str = Field(max_length=100)
    approval_id: str = Field(max_length=450)
    action_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    verdict: Verdict
    approver: str = Field(min_length=1, max_length=200)
    key_id: str | None = Field(default=None, max_length=200)
    nonce: str | None = Field(default=None, max_length=100)
    issued_at: Moment
    expires_at: Moment
    display_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    note: str = Field(default="", max_length=1000)
    value: str = Field(default="", max_length=1000)
    """Only with `supply`: the value the run asked for, as JSON."""
    signature: str | None = Field(default=None, max_length=200)


class RequestKind(StrEnum):
    """An approval asks yes or no to an action; an escalation asks how a run goes on."""

    APPROVAL = "approval"
    ESCALATION = "escalation"


class ApprovalRequest(Model):
    """An open question to people, as the run holds it."""

    id: str
    kind: RequestKind = RequestKind.APPROVAL
    title: str
    action_digest: str
    display_digest: str
    obligations: tuple[Obligation, ...]
    options: tuple[Verdict, ...] = APPROVAL_VERDICTS
    opened_at: Moment
    deadline: Moment | None = None
    """None: it waits until somebody answers (escalations)."""
    approvals: tuple[Decision, ...] = ()
    """Verified approvals so far; a quorum counts distinct approvers."""


class DecidedRequest(Model):
    """What became of a request, kept so that a late decision can be told."""

    id: str
    outcome: str
    by: str = ""
    at: Moment


class DisplayLine(Model):
    """One labelled line of what a person is shown; the content stands in the store."""

    label: str
    text: str = Field(max_length=4000)


class RequestToOpen(Model):
    """Input of the activity that stores what people will be shown and lists the request in the inbox."""

    request_id: str
    kind: RequestKind
    automation: str
    state: str
    title: str
    action_digest: str
    obligations: tuple[Obligation, ...]
    options: tuple[Verdict, ...]
    deadline: Moment | None
    context: tuple[DisplayLine, ...]
    """Short lines the workflow knows: path so far, advice, rule ids, cost of waiting."""


class RequestToClose(Model):
    """Input of the activity that takes a request out of the inbox."""

    request_id: str
    outcome: str
    by: str = ""


class OpenedRequest(Model):
    """Output of opening: the digest of what people are shown."""

    display_digest: str


class DecisionToCheck(Model):
    """Input of the activity that verifies one decision."""

    decision: Decision
    action_digest: str
    """Of the open request."""


class CheckedDecision(Model):
    """Whether a decision counts, and if not, why, in one sentence."""

    counts: bool
    reason: str = Field(default="", max_length=300)


class Receipt(Model):
    """What the sender of a decision gets back."""

    approval_id: str
    outcome: str
    """`approved`, `rejected`, `returned`, or `counted` while a quorum is not reached."""
    message: str


DEFAULT_ESCALATION_WITHIN = timedelta(days=7)
