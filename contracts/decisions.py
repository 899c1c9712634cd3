"""Requests to people and their decisions: one shape for approvals and escalations (DESIGN section 7)."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.canonical import digest
from contracts.model import Model, Moment
from contracts.policy import Obligation
from contracts.signing import NONCE

MAX_DECISION_BYTES = 8 * 1024


class Verdict(StrEnum):
    """What a person answers.

    The first three answer approvals, the next the choices of an escalation; the last two, and `abandon`, say what
    came of a call that was never answered.
    """

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"

    RETRY = "retry"
    SUPPLY = "supply"
    SKIP = "skip"
    TAKE_OVER = "take_over"
    EXTEND = "extend"
    ABANDON = "abandon"

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did_not_happen"


APPROVAL_VERDICTS = (Verdict.APPROVE, Verdict.REJECT, Verdict.RETURN)
OUTCOME_VERDICTS = (Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN, Verdict.ABANDON)
APPROVED = "approved"
"""How an approval request ends whose quorum was reached."""


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
    nonce: str | None = Field(default=None, max_length=100, pattern=NONCE)
    issued_at: Moment
    expires_at: Moment
    display_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    note: str = Field(default="", max_length=1000)
    value: str = Field(default="", max_length=1000)
    """With `supply`: the value the run asked for, as JSON. With `extend`: how much more it may spend, as JSON."""
    signature: str | None = Field(default=None, max_length=200)

    def statement_digest(self) -> str:
        """`sha256:<hex>` over everything that is signed."""
        return digest(self.model_dump(mode="json", exclude={"signature"}))


class RequestKind(StrEnum):
    """An approval asks yes or no to an action; an escalation asks how a run goes on."""

    APPROVAL = "approval"
    ESCALATION = "escalation"
    OUTCOME = "outcome"
    """An escalation that asks whether a call that was sent and never answered has happened."""


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
    remind_at: Moment | None = None
    """None: nobody is reminded, or they have been."""
    hand_on_at: Moment | None = None
    """None: it is not handed on, or it has been."""
    handed_on: bool = False
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
    asked_at: Moment
    """By the run's clock; reminder, handing on and deadline are counted from here."""
    context: tuple[DisplayLine, ...]
    """Short lines the workflow knows: path so far, advice, rule ids, cost of waiting."""


class RequestToClose(Model):
    """Input of the activity that takes a request out of the inbox."""

    request_id: str
    outcome: str
    by: str = ""


class OpenedRequest(Model):
    """Output of opening: the digest of what people are shown, and when something happens if nobody decides."""

    display_digest: str
    deadline: Moment
    remind_at: Moment | None = None
    hand_on_at: Moment | None = None
    used: bool = False
    """The number belongs to another question, from before a reset of the run: nothing was opened; take the next."""


class RequestEvent(StrEnum):
    """What happens to an open request while it waits."""

    REMINDED = "reminded"
    HANDED_ON = "handed_on"


class RequestToPass(Model):
    """Input of the activity that reminds people of a request, or hands it on to the next role."""

    request_id: str
    event: RequestEvent


class Check(StrEnum):
    """The checks a decision must pass, by name. Every refusal names one of them."""

    SHAPE = "shape"
    OPEN_REQUEST = "open_request"
    DEPLOYMENT = "deployment"
    NAMESPACE = "namespace"
    RUN = "run"
    ACTION = "action"
    DISPLAY = "display"
    VERDICT = "verdict"
    UNSIGNED = "unsigned"
    KEY = "key"
    KEY_VALIDITY = "key_validity"
    SIGNATURE = "signature"
    PERSON = "person"
    ISSUED_LATER = "issued_later"
    ISSUED_BEFORE_ASKED = "issued_before_asked"
    EXPIRED = "expired"
    OUTLIVES_REQUEST = "outlives_request"
    NONCE = "nonce"
    SELF_APPROVAL = "self_approval"
    OWNER = "owner"
    ROLE = "role"
    ABSENT = "absent"
    ALREADY_DECIDED = "already_decided"
    QUORUM = "quorum"
    RATE = "rate"


class DecisionsToCheck(Model):
    """Input of the activity that verifies what has arrived, in order, in one batch."""

    arrived: tuple[Decision, ...]
    counted: tuple[Decision, ...] = ()
    """The approvals of the open requests that were verified before."""


class CheckedDecision(Model):
    """Whether a decision counts, and if not, why, in one sentence."""

    counts: bool
    check: Check | None = None
    """The check that refused it."""
    reason: str = Field(default="", max_length=300)
    fulfilled: bool = False
    """With this approval, every obligation of the request is fulfilled."""


class CheckedDecisions(Model):
    """One answer for each decision that arrived, in the same order."""

    checked: tuple[CheckedDecision, ...]


class Receipt(Model):
    """What the sender of a decision gets back."""

    approval_id: str
    outcome: str
    """`approved`, `rejected`, `returned`, or `counted` while a quorum is not reached."""
    message: str


DEFAULT_ESCALATION_WITHIN = timedelta(days=7)
