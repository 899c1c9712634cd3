"""Tool calls as the workflow asks for them, as policy and approvers see them, and what came back."""

from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from contracts.canonical import digest
from contracts.decisions import Decision
from contracts.model import Model
from contracts.pointers import POINTER
from contracts.policy import Ruling

Scalar = str | int | bool | None
LEAVES_WITHIN_SECONDS = 5.0
LARGEST_AMOUNT = 2**53 - 1
"""The largest integer of canonical JSON; nothing is counted beyond it."""


class EffectClass(StrEnum):
    """What may follow a lost answer (DESIGN section 6)."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    KEYED = "keyed"
    QUERYABLE = "queryable"
    OPAQUE = "opaque"


class Purpose(StrEnum):
    """Why a call is made: going forward, or undoing an earlier effect of the same run."""

    FORWARD = "forward"
    COMPENSATION = "compensation"


class ChosenByClaude(Model):
    """Where the arguments of a call stand when Claude wrote them: a block of a turn, in the store."""

    conversation: str
    turn: int = Field(ge=0)
    block: int = Field(ge=0)


class WhenHeld(StrEnum):
    """What a step wants of a call whose server's breaker is open."""

    WAIT = "wait"
    """Until the server is back, durably."""
    REPORT = "report"
    """To be told: the step goes another way, or puts it to people."""


class ToolCall(Model):
    """What a workflow asks the gate to do. It carries no authority: the gate verifies everything itself."""

    server: str
    tool: str
    arguments: dict[str, JsonValue] | None = None
    """Given by the automation, or None when `chosen` says where Claude's stand."""
    chosen: ChosenByClaude | None = None
    step: str
    occurrence: str = "1"
    """Distinguishes intended repetitions of a step: a counter, or turn and block in a loop."""
    state: str = ""
    """The state of the machine that makes the call; shown to people, never trusted."""
    purpose: Purpose = Purpose.FORWARD
    evidence: tuple[Decision, ...] = ()
    facts: dict[str, str] = {}
    """Facts the workflow needs from the result: name -> JSON pointer (RFC 6901) to a scalar."""
    when_held: WhenHeld = WhenHeld.WAIT
    stale_seconds: int = Field(default=0, ge=0)
    """While the server's breaker is open, a read may be answered by what was read so long ago; 0: by nothing old."""


class Action(Model):
    """A tool call as policy and approvers see it. Its digest is what a decision is bound to."""

    server: str
    tool: str
    pin: str
    arguments: dict[str, JsonValue]
    step: str
    key: str
    purpose: Purpose = Purpose.FORWARD

    def digest(self) -> str:
        """`sha256:<hex>` over the canonical JSON of this action."""
        return digest(self)


class CallStatus(StrEnum):
    """How a tool call ended."""

    DONE = "done"
    SAID_NO = "said_no"
    """The tool answered with an error: a fact, final for this key."""
    REFUSED = "refused"
    """The server or the gate refused before anything happened."""
    FORBIDDEN = "forbidden"
    """Policy forbids it."""
    NEEDS_APPROVAL = "needs_approval"
    """Nothing was sent: people must decide first."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows whether it happened."""
    NOT_HAPPENED = "not_happened"
    """A person says that it did not happen: final for this key."""
    ABANDONED = "abandoned"
    """Whether it happened was never found out, and is no longer asked: final for this key."""
    HELD = "held"
    """Nothing was sent: the server's breaker is open, and the step has asked to be told so."""


class Share(Model):
    """What one action adds to one running total."""

    total: str
    """Name of the total, as rules know it."""
    of: str
    """What it is kept for: the values of its keys and the day, as one text. Kept as a digest, for it names people."""
    amount: int = Field(ge=0, le=LARGEST_AMOUNT)
    """In minor units, such as cents."""


class ResultRef(Model):
    """A tool result in the store: its content address, size and shape, never its content."""

    digest: str
    size_bytes: int
    shape: str = ""


class Risk(StrEnum):
    """What the operator says a tool can do at worst; rules may name it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Taint(StrEnum):
    """What a run has read so far. With both, whatever sends things out can leak the one at the wish of the other."""

    PRIVATE = "private"
    UNTRUSTED = "untrusted"


class ToolOutcome(Model):
    """What the gate reports: status, shape and a reference."""

    status: CallStatus
    action_digest: str = ""
    result: ResultRef | None = None
    facts: dict[str, Scalar] = {}
    ruling: Ruling | None = None
    """Only when policy did not simply permit."""
    taint: tuple[Taint, ...] = ()
    """What the run has read by now; only when this call added to it."""
    age_seconds: int = Field(default=0, ge=0)
    """How old the answer is, where an old one serves because the server's breaker is open."""
    message: str = Field(default="", max_length=400)

    @property
    def done(self) -> bool:
        """The tool did what was asked."""
        return self.status is CallStatus.DONE


class KeyDelivery(Model):
    """How a server wants our idempotency key, and how long it remembers one."""

    argument: str | None = None
    meta: str | None = None
    header: str | None = None
    horizon_seconds: int = Field(default=86_400, gt=0)


class Undoes(Model):
    """Which effect a tool takes back, and by which arguments it is told which one."""

    tool: str = Field(min_length=1, max_length=128)
    """Of the same server."""
    same: tuple[str, ...] = Field(min_length=1)
    """Arguments that must be the same in both calls; together they name one effect."""


class Lookup(Model):
    """How to find out whether a call without an answer happened: a read of the same server, and our key in its answer.

    The answer must tell of everything that carries the key, also of what is under way.
    """

    tool: str = Field(min_length=1, max_length=128)
    """Of class read."""
    key: str = Field(default="", max_length=128)
    """The argument that takes our key; empty for a read that is not told it."""
    same: tuple[str, ...] = ()
    """Arguments that are passed on as they were sent."""
    items: str = Field(default="", pattern=rf"^$|{POINTER}")
    """Where in the answer the list of what was found stands (RFC 6901); empty: the answer is the one thing found."""
    match: str = Field(pattern=POINTER)
    """Where our key stands in one of them."""
    none_is_error: bool = False
    """Whether the tool says that there is none by an error."""
    slowest_seconds: float = Field(default=30.0, gt=0)
    """How long after it has arrived a write may still appear."""


class ToolDefinition(Model):
    """A tool (or the reading of a resource) as a server publishes it, with what the operator says of it."""

    server: str
    name: str
    description: str = ""
    input_schema: dict[str, JsonValue]
    output_schema: dict[str, JsonValue] | None = None
    annotations: dict[str, JsonValue] = {}
    effect_class: EffectClass
    key: KeyDelivery | None = None
    timeout_seconds: float = 60.0
    kind: Literal["tool", "resource"] = "tool"
    risk: Risk = Risk.MEDIUM
    taints: tuple[Taint, ...] = ()
    """What a run has read once it has read an answer of this tool."""
    sends_out: bool = False
    """What it is given can reach somebody outside."""
    undoes: Undoes | None = None
    """The operator's word only; without it the tool compensates nothing."""
    lookup: Lookup | None = None
    """For the class queryable, and for the class keyed once the server may have forgotten the key."""
    resource: dict[str, str] | None = None
    """What a call changes: name of each part -> the argument that says which. None: nobody said; all of the tool."""
    owner: str = ""
    """Whom to ask about the server."""
    reference: str = ""
    """The argument that names the run a call is made for: it must be the calling run's own workflow id."""
    credential: str = ""
    """The reference of the credential it is called with, never the value."""

    @property
    def leaves_within_seconds(self) -> float:
        """So soon after its entry as sent an effect has left its worker, and once more so soon its connection is open.

        By then a silent worker is given up. A look twice `slowest_seconds` after the entry sees whatever was sent.
        """
        return LEAVES_WITHIN_SECONDS if self.lookup is None else self.lookup.slowest_seconds / 2

    published: dict[str, JsonValue] = {}
    """The definition exactly as the server publishes it; empty where the fields above are all there is."""

    def pin(self) -> str:
        """The digest of the definition as published; the operator's overrides are not part of it."""
        return digest(self.as_published())

    def as_published(self) -> dict[str, JsonValue]:
        """What the pin stands for, and what a diff compares."""
        if self.published:
            return {"server": self.server, "published": self.published}
        return {
            "server": self.server,
            "name": self.name,
            "description": self.description,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "annotations": self.annotations,
        }


class Delivered(Model):
    """What a server answered to a call that was sent."""

    is_error: bool = False
    content: JsonValue = None
    """The structured content, else the text blocks joined, else what can be said of other blocks."""
    unreadable: str = ""
    """Set when the call was executed and its answer could not be read; `content` is then None."""
