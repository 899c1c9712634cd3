"""What can go wrong on purpose: a queue of faults, one for each of the next requests."""

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from demo.claude_simulator.errors import STATUS_OF_TYPE, TYPE_OF_STATUS, ApiError
from demo.claude_simulator.fields import Fields, objects_of, read_json
from demo.claude_simulator.json_values import Json, JsonObject


@dataclass(frozen=True)
class AnswerWithStatus:
    """An error instead of an answer."""

    kind: ClassVar[str] = "status"
    status: int
    error_type: str
    message: str
    error_code: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cut:
    """A TCP reset after some events; before the first byte of the response when no number is given."""

    kind: ClassVar[str] = "cut"
    after_events: int | None


@dataclass(frozen=True)
class EndEarly:
    """A clean end of the stream without message_stop."""

    kind: ClassVar[str] = "end_early"
    after_events: int


@dataclass(frozen=True)
class StreamError:
    """An error event in the middle of a stream whose status was 200."""

    kind: ClassVar[str] = "sse_error"
    after_events: int
    error_type: str


@dataclass(frozen=True)
class Html:
    """Somebody else's page with status 200: a proxy, a login form."""

    kind: ClassVar[str] = "html"


@dataclass(frozen=True)
class TruncateToolArguments:
    """An answer that max_tokens ends inside its last part."""

    kind: ClassVar[str] = "truncate_tool_arguments"


@dataclass(frozen=True)
class Delay:
    """Silence, before the first byte or after some events: time to kill somebody in mid-turn."""

    kind: ClassVar[str] = "delay"
    seconds: float
    after_events: int | None


@dataclass(frozen=True)
class Refusal:
    kind: ClassVar[str] = "refusal"


Fault = AnswerWithStatus | Cut | EndEarly | StreamError | Html | TruncateToolArguments | Delay | Refusal


@dataclass
class FaultQueue:
    _waiting: deque[Fault] = field(default_factory=deque)

    def add(self, body: bytes) -> None:
        """All of the list or none of it."""
        faults = read_json(body)
        if not isinstance(faults, list):
            raise ApiError("faults: Input should be a list of objects such as {'kind': 'html'}")
        self._waiting.extend([_read_fault(fault) for fault in objects_of(faults, "faults")])

    def take(self) -> Fault | None:
        return self._waiting.popleft() if self._waiting else None

    def clear(self) -> None:
        self._waiting.clear()

    def to_json(self) -> JsonObject:
        kinds: list[Json] = [fault.kind for fault in self._waiting]
        return {"waiting": kinds}


def _read_fault(fields: Fields) -> Fault:
    kind = fields.text("kind")
    fields.only(_ALLOWED.get(kind, set()) | {"kind"} if kind in _ALLOWED else fields.values)
    match kind:
        case "status":
            return _read_status(fields)
        case "cut":
            return Cut(_optional_count(fields))
        case "end_early":
            return EndEarly(_count(fields))
        case "sse_error":
            return StreamError(_count(fields), _error_type(fields, "overloaded_error"))
        case "html":
            return Html()
        case "truncate_tool_arguments":
            return TruncateToolArguments()
        case "delay":
            return Delay(fields.number("seconds"), _optional_count(fields))
        case "refusal":
            return Refusal()
        case _:
            raise ApiError(f"{fields.at('kind')}: unknown fault {kind!r}; known are {', '.join(_ALLOWED)}")


_ALLOWED = {
    "status": {"status", "headers", "error_type", "message", "error_code"},
    "cut": {"after_events"},
    "end_early": {"after_events"},
    "sse_error": {"after_events", "error_type"},
    "html": set[str](),
    "truncate_tool_arguments": set[str](),
    "delay": {"seconds", "after_events"},
    "refusal": set[str](),
}


def _read_status(fields: Fields) -> AnswerWithStatus:
    status = fields.whole("status")
    if not 400 <= status <= 599:
        raise ApiError(f"{fields.at('status')}: Input should be between 400 and 599, is {status}")
    headers = fields.object("headers") if fields.has("headers") else Fields({})
    return AnswerWithStatus(
        status=status,
        error_type=_error_type(fields, TYPE_OF_STATUS.get(status, "api_error")),
        message=fields.text("message", f"The simulator was told to answer {status}"),
        error_code=fields.text("error_code", ""),
        headers=tuple((name.lower(), headers.text(name)) for name in headers.values),
    )


def _error_type(fields: Fields, default: str) -> str:
    error_type = fields.text("error_type", default)
    if error_type not in STATUS_OF_TYPE:
        raise ApiError(f"{fields.at('error_type')}: unknown {error_type!r}; known are {', '.join(STATUS_OF_TYPE)}")
    return error_type


def _optional_count(fields: Fields) -> int | None:
    return _count(fields) if fields.has("after_events") else None


def _count(fields: Fields) -> int:
    count = fields.whole("after_events")
    if count < 0:
        raise ApiError(f"{fields.at('after_events')}: Input should be greater than or equal to 0, is {count}")
    return count
