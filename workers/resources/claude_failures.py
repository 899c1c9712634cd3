"""What may follow when Claude does not answer: unavailable (ask again) or rejected (asking again cannot help)."""

import json
from typing import NoReturn

import httpx2
from anthropic import AnthropicError, APIConnectionError, APIStatusError

from activities.claude_port import ClaudeRejected, ClaudeUnavailable
from workers.resources.retry_after import retry_after_seconds

_TRANSIENT_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_FINAL_TYPES = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
    }
)
_SPEND_LIMIT = "spend_limit_reached"
"""How the error codes end that only a person with a budget can lift."""


class ErrorEvent(Exception):
    """An error within a stream that had begun: its status was 200, so only its type says what it is."""

    def __init__(self, event: object) -> None:
        super().__init__("an error event")
        described = event.get("error") if isinstance(event, dict) else None
        described = described if isinstance(described, dict) else {}
        details = described.get("details")
        self.type = str(described.get("type") or "")
        self.error_code = str(details.get("error_code") or "") if isinstance(details, dict) else ""


def raise_port_error(error: Exception, request_id: str) -> NoReturn:
    """Raise ClaudeUnavailable or ClaudeRejected for what the SDK raised.

    Neither text nor cause of the original goes along: they may quote the prompt, and would travel with the exception.
    """
    if isinstance(error, ClaudeUnavailable):
        raise ClaudeUnavailable(str(error), error.retry_after_seconds, request_id) from None
    if isinstance(error, ClaudeRejected):
        raise error
    if isinstance(error, ErrorEvent):
        _error_event(error, request_id)
    if isinstance(error, APIStatusError):
        _status(error, error.request_id or request_id)
    if isinstance(error, APIConnectionError | httpx2.HTTPError | OSError):
        name = type(error.__cause__ or error).__name__
        raise ClaudeUnavailable(f"the connection to Claude failed ({name}); ask again", None, request_id) from None
    if isinstance(error, json.JSONDecodeError | KeyError | ValueError):
        raise ClaudeUnavailable("Claude's answer is malformed; ask again", None, request_id) from None
    if isinstance(error, AnthropicError | TypeError):
        raise ClaudeRejected(
            f"no request could be made ({type(error).__name__}); "
            "set ANTHROPIC_API_KEY, and ANTHROPIC_BASE_URL if need be",
            request_id,
        ) from None
    raise error


def _status(error: APIStatusError, request_id: str) -> NoReturn:
    said = " ".join(filter(None, (_word(error.type), _word(error.error_code))))
    where = f"HTTP {error.status_code}" if error.status_code != 200 else "an error within the answer"
    if _final(error):
        raise ClaudeRejected(f"Claude rejects the request: {where} {said}".rstrip(), request_id) from None
    wait = retry_after_seconds(error.response.headers)
    raise ClaudeUnavailable(f"Claude is not available: {where} {said}".rstrip(), wait, request_id) from None


def _error_event(error: ErrorEvent, request_id: str) -> NoReturn:
    said = " ".join(filter(None, ("an error within the answer", _word(error.type), _word(error.error_code))))
    if error.type in _FINAL_TYPES or error.error_code.endswith(_SPEND_LIMIT):
        raise ClaudeRejected(f"Claude rejects the request: {said}", request_id) from None
    raise ClaudeUnavailable(f"Claude is not available: {said}", None, request_id) from None


def _final(error: APIStatusError) -> bool:
    if error.response.headers.get("x-should-retry") == "false":
        return True
    if error.type == "billing_error" or str(error.error_code or "").endswith(_SPEND_LIMIT):
        return True
    if error.status_code == 200:  # an error event: only its type says what it is
        return error.type in _FINAL_TYPES
    return error.status_code not in _TRANSIENT_STATUS


def _word(value: object) -> str:
    """A machine-readable code, and nothing that only looks like one."""
    text = str(value or "")
    return text if text.replace("_", "").isalnum() and len(text) <= 80 else ""
