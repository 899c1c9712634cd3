"""One turn with Claude: what is asked, and what came back."""

from enum import StrEnum

from pydantic import Field, JsonValue

from contracts.model import Model


class StopReason(StrEnum):
    """Why Claude stopped, as far as an automation must tell the cases apart."""

    ANSWERED = "end_turn"
    TOOL_USE = "tool_use"
    TRUNCATED = "max_tokens"
    DECLINED = "refusal"
    CONTEXT_FULL = "model_context_window_exceeded"


class Usage(Model):
    """Tokens and money of one turn, or of a whole run. Money in millionths of the configured currency."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_micros: int = 0

    @property
    def all_input_tokens(self) -> int:
        """What was read, from the cache or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def cached_percent(self) -> int:
        """The share of the input that was read from the cache, in whole percent."""
        return 100 * self.cache_read_tokens // (self.all_input_tokens or 1)

    @property
    def all_tokens(self) -> int:
        """Input, cached or not, and output together."""
        return self.all_input_tokens + self.output_tokens

    def plus(self, other: "Usage") -> "Usage":
        """The sum, field by field."""
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields})


class CallNote(Model):
    """What Claude is told about a call of the previous turn that never reached a server."""

    block: int
    text: str = Field(max_length=400)


class TurnRequest(Model):
    """Input of the activity that asks Claude. Constant in size: the conversation stands in the store."""

    conversation: str
    """Name within the run, usually the state."""
    turn: int = Field(ge=0)
    prompt: str
    """Name of the prompt, for example `refund/assessing`."""
    state: str
    variables: dict[str, str] = {}
    """Filled into the prompt's first message; only read at turn 0."""
    tools: tuple[str, ...] = ()
    """`server.tool`, `server.*`, or `server.resources`: what Claude is offered in this state."""
    answer_schema: dict[str, JsonValue] | None = None
    """JSON schema of the structured answer, or None for free text."""
    said: str = Field(default="", max_length=4000)
    """What a person said since the last turn (a return); appended as a user message."""
    notes: tuple[CallNote, ...] = ()
    facts: dict[str, str] | None = None
    """What the machine knows and Claude must see last, by name; None: as at the turn before."""
    turns_left: int | None = Field(default=None, ge=0)
    """Turns that whoever asked allows after this one; None: no such limit."""


class ProposedCall(Model):
    """A tool call Claude asks for. Its arguments stand in the store."""

    block: int
    server: str
    tool: str
    problem: str = Field(default="", max_length=300)
    """Set when it must not be executed: not offered, or arguments that do not fit the schema."""
    reads: bool = False
    """Of class read, as it was offered: it may be made without an activity of its own."""


class TurnOutcome(Model):
    """Output of the activity that asks Claude."""

    stop_reason: StopReason
    calls: tuple[ProposedCall, ...] = ()
    advice: dict[str, JsonValue] | None = None
    """The structured answer, when one was asked for and fits its schema; at most 1 KiB."""
    answer_ref: str = ""
    """Digest of the answer's text in the store."""
    answer_bytes: int = 0
    problem: str = Field(default="", max_length=300)
    """Why a structured answer could not be used."""
    usage: Usage = Usage()
    model: str = ""
    request_id: str = ""
