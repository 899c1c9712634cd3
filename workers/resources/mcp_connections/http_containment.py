"""An HTTP transport under the MCP SDK that keeps one broken exchange from harming any other.

The SDK lets a connection failure escape into the task group of the whole client. Here every failure becomes a JSON-RPC
error of the one call it belongs to, with what is known about execution; answers are bounded in size.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

import httpx2
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse, RequestId, jsonrpc_message_adapter
from pydantic import ValidationError

from activities.toolbox import Health
from workers.resources.credentials import CredentialMissing
from workers.resources.mcp_connections import limits
from workers.resources.mcp_connections.failures import Contained
from workers.resources.retry_after import retry_after_seconds

CALL_HEADERS: ContextVar[dict[str, str] | None] = ContextVar("CALL_HEADERS", default=None)
"""Headers of the call that is being made: the SDK runs each request in the context of its caller."""

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
_TOO_EARLY = frozenset({408, 425, 429})
_OTHER_ERA = frozenset({400, 404, 405, 406})
_PARSED_REFUSALS = range(-32700, -32000)
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_GARBAGE = Contained(kind="unreadable", reason="the answer is not JSON-RPC; it was executed and cannot be read")


class ContainingTransport(httpx2.AsyncBaseTransport):
    """Sends with the server's credential and turns every failure into an answer."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        credential: Callable[[], dict[str, str]],
        answer_bytes: int = limits.ANSWER_BYTES,
    ) -> None:
        self._inner = inner
        self._credential = credential
        self._answer_bytes = answer_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One exchange."""
        try:
            request.headers.update(self._credential())
        except CredentialMissing as error:
            return _answer(request, Contained(kind="not_sent", reason=str(error), health=Health.UNTOLD))
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        request.headers.update(CALL_HEADERS.get() or {})
        try:
            response = await self._inner.handle_async_request(request)
            return await _contain(request, response, self._answer_bytes)
        except (httpx2.HTTPError, OSError) as error:
            return _answer(request, _broken(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _broken(error: Exception) -> Contained:
    if isinstance(error, _NEVER_SENT):
        return Contained(kind="not_sent", reason=f"no connection ({type(error).__name__})")
    return Contained(kind="unknown", reason=f"the connection broke ({type(error).__name__})")


def _answer(request: httpx2.Request, failure: Contained) -> httpx2.Response:
    body = JSONRPCError(jsonrpc="2.0", id=None, error=failure.as_error())
    return httpx2.Response(502, request=request, json=body.model_dump(by_alias=True, mode="json"))


async def _contain(request: httpx2.Request, response: httpx2.Response, most: int) -> httpx2.Response:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code >= 400:
        return await _refusal(request, response, most)
    if kind == "application/json":
        return await _json_answer(request, response, most)
    if kind == "text/event-stream":
        return _rebuilt(request, response, stream=_BoundedEvents(response, most))
    if response.is_success and _asked_id(request) is not None:
        await response.aclose()
        reason = f"status {response.status_code} came with {kind or 'no content type'!r} instead of an answer"
        return _answer(request, Contained(kind="unknown", reason=reason))
    return response


def _asked_id(request: httpx2.Request) -> RequestId | None:
    """The id under which an answer is waited for, or None for a notification or an answer of ours."""
    message = jsonrpc_message_adapter.validate_json(request.content, by_name=False)
    return message.id if isinstance(message, JSONRPCRequest) else None


async def _json_answer(request: httpx2.Request, response: httpx2.Response, most: int) -> httpx2.Response:
    body = await _bounded_body(response, most)
    if body is None:
        return _answer(request, _too_large(most))
    try:
        message = jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError:
        return _answer(request, _GARBAGE)
    # The SDK would wait for ever for an answer that carries another id than its question.
    asked = _asked_id(request)
    if isinstance(message, JSONRPCError) and message.id is None:
        message.id = asked
        return _rebuilt(request, response, content=message.model_dump_json(by_alias=True).encode())
    if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id != asked:
        return _answer(request, Contained(kind="unknown", reason="the answer belongs to another call"))
    return _rebuilt(request, response, content=body)


def _too_large(most: int) -> Contained:
    return Contained(
        kind="unreadable", reason=f"the answer is larger than {most} bytes; it was executed and is not read"
    )


async def _bounded_body(response: httpx2.Response, most: int) -> bytes | None:
    """The whole body, or None when it is larger than an answer may be."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > most:
                return None
    finally:
        await response.aclose()
    return bytes(body)


async def _refusal(request: httpx2.Request, response: httpx2.Response, most: int) -> httpx2.Response:
    body = await _bounded_body(response, most) or b""
    failure = _http_failure(request, response)
    if failure.kind == "refused" and (code := _error_code(body)) is not None and code in _PARSED_REFUSALS:
        return _rebuilt(request, response, content=body)
    return _answer(request, failure)


def _http_failure(request: httpx2.Request, response: httpx2.Response) -> Contained:
    status = response.status_code
    wait = retry_after_seconds(response.headers)
    if status in _TOO_EARLY or (status == 503 and wait is not None):
        health = Health.UNHEALTHY if status == 503 else Health.HEALTHY
        return Contained(kind="not_sent", reason=f"HTTP {status}", retry_after_seconds=wait, health=health)
    if status >= 500:
        return Contained(kind="unknown", reason=f"HTTP {status}")
    if status == 404 and "mcp-session-id" in request.headers:
        reason = "the server no longer knows the session"
        return Contained(kind="session_lost", reason=reason, health=Health.HEALTHY)
    return Contained(kind="refused", reason=f"HTTP {status}", doubts_era=status in _OTHER_ERA)


def _error_code(body: bytes) -> int | None:
    try:
        message = jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError:
        return None
    return message.error.code if isinstance(message, JSONRPCError) else None


def _rebuilt(
    request: httpx2.Request,
    response: httpx2.Response,
    *,
    content: bytes | None = None,
    stream: httpx2.AsyncByteStream | None = None,
) -> httpx2.Response:
    """The response with a body that is already decoded."""
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        request=request,
        content=content,
        stream=stream,
        extensions=response.extensions,
    )


class _BoundedEvents(httpx2.AsyncByteStream):
    """Server-sent events, passed on whole, each checked; one that is too large or no JSON-RPC ends the stream."""

    def __init__(self, response: httpx2.Response, most: int) -> None:
        self._response = response
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pending = bytearray()
        async for chunk in self._response.aiter_bytes():
            pending += chunk
            start = max(0, len(pending) - len(chunk) - 3)
            while end := _EVENT_END.search(pending, start):
                event = bytes(pending[: end.end()])
                del pending[: end.end()]
                start = 0
                if failure := _bad_event(event, self._most):
                    yield _as_event(failure)
                    return
                yield event
            if len(pending) > self._most:
                yield _as_event(_too_large(self._most))
                return
        yield bytes(pending)

    async def aclose(self) -> None:
        await self._response.aclose()


def _bad_event(event: bytes, most: int) -> Contained | None:
    if len(event) > most:
        return _too_large(most)
    data = b"\n".join(line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:"))
    if not data:
        return None
    try:
        jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValidationError:
        return _GARBAGE
    return None


def _as_event(failure: Contained) -> bytes:
    body = JSONRPCError(jsonrpc="2.0", id=None, error=failure.as_error())
    return b"event: message\ndata: " + body.model_dump_json(by_alias=True).encode() + b"\n\n"
