"""Everything that can go wrong with a call, translated once: not sent, refused, unknown, or executed and unreadable."""

import secrets
from typing import Literal, NoReturn

from mcp import MCPError
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    URL_ELICITATION_REQUIRED,
    ErrorData,
)
from pydantic import ValidationError

from activities.toolbox import Health, NotSent, OutcomeUnknown, ServerRefused, UnknownServer
from contracts.model import Model
from contracts.tools import Delivered

_SEAL = f"contained-{secrets.token_hex(16)}"
"""Marks an error as written by our own transports. No server ever sees it, so none can claim to be one of us."""

_CONTAINED_CODE = -32000
_RESOURCE_NOT_FOUND = -32002
_REFUSALS = frozenset(
    {
        PARSE_ERROR,
        INVALID_REQUEST,
        METHOD_NOT_FOUND,
        INVALID_PARAMS,
        HEADER_MISMATCH,
        MISSING_REQUIRED_CLIENT_CAPABILITY,
        UNSUPPORTED_PROTOCOL_VERSION,
        URL_ELICITATION_REQUIRED,
        _RESOURCE_NOT_FOUND,
    }
)
_ERA_DOUBTS = frozenset({INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION})
_RESERVED = range(-32768, -31999)
"""Codes JSON-RPC reserves; any other is the tool's own word for "no"."""


class Contained(Model):
    """A failure of one exchange, carried through the SDK as a JSON-RPC error of that one call."""

    kind: Literal["not_sent", "refused", "unknown", "unreadable", "session_lost"]
    reason: str
    retry_after_seconds: float | None = None
    health: Health = Health.UNHEALTHY
    """Of the server, when nothing was sent."""
    doubts_era: bool = False
    """The endpoint may speak the other protocol era by now."""

    def as_error(self) -> ErrorData:
        """The JSON-RPC error that carries it."""
        return ErrorData(code=_CONTAINED_CODE, message=self.reason, data={_SEAL: self.model_dump(mode="json")})


def contained(error: Exception) -> Contained | None:
    """What our own transport said in this error, or None when it is the server's."""
    if isinstance(error, MCPError) and isinstance(error.data, dict) and _SEAL in error.data:
        return Contained.model_validate(error.data[_SEAL])
    return None


def worth_reopening(error: Exception) -> bool:
    """Whether the call was not executed because session or protocol era are no longer what we took them for."""
    ours = contained(error)
    if ours is not None:
        return ours.kind == "session_lost" or (ours.kind == "refused" and ours.doubts_era)
    return isinstance(error, MCPError) and error.code in _ERA_DOUBTS


def delivered_despite(error: Exception, what: str) -> Delivered:
    """What a failure after sending means. Raises NotSent, ServerRefused, OutcomeUnknown.

    Causes are cut off: their text may quote arguments or results, and would travel on with the exception.
    """
    ours = contained(error)
    if ours is not None:
        return _ours(ours, what)
    if isinstance(error, MCPError):
        return _theirs(error, what)
    if isinstance(error, ValidationError) and _says_no(error):
        return Delivered(is_error=True, content="it answered with an error, in another shape than its protocol's")
    if isinstance(error, RuntimeError | ValidationError):
        return Delivered(unreadable=f"{what} answered in a shape that is not the one it published")
    raise OutcomeUnknown(f"{what}: the connection failed ({type(error).__name__}); nobody knows whether it happened")


def _says_no(error: ValidationError) -> bool:
    """Whether the answer that does not fit says by itself that the tool failed."""
    answers = (each["input"] for each in error.errors(include_url=False))
    results = (answer for answer in answers if isinstance(answer, dict) and "content" in answer)
    return any(result.get("isError") is True for result in results)


def _ours(failure: Contained, what: str) -> Delivered:
    match failure.kind:
        case "unreadable":
            return Delivered(unreadable=f"{what}: {failure.reason}")
        case "not_sent" | "session_lost":
            raise NotSent(
                f"{what}: {failure.reason}; nothing was executed", failure.retry_after_seconds, failure.health
            )
        case "refused":
            raise ServerRefused(f"{what}: {failure.reason}")
        case "unknown":
            raise OutcomeUnknown(f"{what}: {failure.reason}; nobody knows whether it happened")


def _theirs(error: MCPError, what: str) -> Delivered:
    if error.code in _REFUSALS:
        raise ServerRefused(f"{what} was refused ({error.code}): {error.message[:200]!r}")
    if error.code in _RESERVED:
        raise OutcomeUnknown(f"{what} ended with {error.code}; nobody knows whether it happened")
    return Delivered(is_error=True, content=error.message)


def not_reachable(server: str, error: BaseException) -> NoReturn:
    """Raise NotSent for whatever kept a connection from opening or a listing from coming; UnknownServer as it is."""
    innermost = error
    while isinstance(innermost, BaseExceptionGroup):
        innermost = innermost.exceptions[0]
    if isinstance(innermost, NotSent | UnknownServer):
        raise innermost
    ours = contained(innermost) if isinstance(innermost, Exception) else None
    retry_after = ours.retry_after_seconds if ours else None
    raise NotSent(
        f"server {server!r} cannot be reached: {_said(innermost)}; see whether it runs and try again",
        retry_after,
        _health(innermost, ours),
    ) from None


def _health(error: BaseException, ours: Contained | None) -> Health:
    """What a failed listing says of the server: one that refuses is well."""
    if ours is not None:
        return Health.HEALTHY if ours.kind == "refused" else ours.health
    refused = isinstance(error, MCPError) and error.code in _REFUSALS
    return Health.HEALTHY if refused else Health.UNHEALTHY


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename!r})" if error.filename else error.strerror
    if isinstance(error, ConnectionError):
        return str(error)
    if isinstance(error, MCPError):
        return f"{error.message[:200]!r}"
    return type(error).__name__
