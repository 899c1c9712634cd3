"""The simulator's addresses: the Messages API, and its own under /simulator."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass, field, replace

from demo.claude_simulator.answers import compose, cut_into_the_last_part, refuse
from demo.claude_simulator.connection import Connection, Exchange, Hangup
from demo.claude_simulator.delivery import Delivery
from demo.claude_simulator.errors import ApiError, error_body
from demo.claude_simulator.faults import AnswerWithStatus, FaultQueue, Refusal, TruncateToolArguments
from demo.claude_simulator.fields import read_object
from demo.claude_simulator.journal import Entry, Journal, fingerprint
from demo.claude_simulator.json_values import Json, JsonObject
from demo.claude_simulator.parsing import parse_request
from demo.claude_simulator.scripts import find_script
from demo.claude_simulator.usage import PromptCache, count_tokens

MODELS = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
}


@dataclass
class Simulator:
    """One process's worth of API: what it remembers are faults to come, requests seen and prefixes cached."""

    pace_seconds: float = 0.0
    faults: FaultQueue = field(default_factory=FaultQueue)
    journal: Journal = field(default_factory=Journal)
    cache: PromptCache = field(default_factory=PromptCache)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            while await self._exchange(connection):
                pass
        except (Hangup, ConnectionError):
            pass  # the caller is gone, and there is nobody left to tell
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, connection: Connection) -> bool:
        """Answer one request; say whether the connection can carry another."""
        try:
            exchange = await connection.receive()
        except ApiError as refused:
            await connection.send_json(refused.status, error_body(refused.error_type, refused.message, ""))
            return False
        if exchange.path.startswith("/v1/"):
            return await self._answer_api(connection, exchange) and exchange.keeps_alive
        await self._answer_own(connection, exchange)
        return exchange.keeps_alive

    async def _answer_own(self, connection: Connection, exchange: Exchange) -> None:
        try:
            await connection.send_json(200, self._own(exchange))
        except ApiError as refused:
            await connection.send_json(refused.status, error_body(refused.error_type, refused.message, ""))

    def _own(self, exchange: Exchange) -> JsonObject:
        match exchange.method, exchange.path:
            case "GET", "/health":
                return {"status": "ok"}
            case "GET", "/simulator/requests":
                return self.journal.to_json()
            case "POST", "/simulator/faults":
                self.faults.add(exchange.body)
            case "DELETE", "/simulator/faults":
                self.faults.clear()
            case "GET", "/simulator/faults":
                pass
            case _:
                raise _no_such_address(exchange)
        return self.faults.to_json()

    async def _answer_api(self, connection: Connection, exchange: Exchange) -> bool:
        credential = exchange.headers.get("authorization") or exchange.headers.get("x-api-key", "")
        request_id = f"req_{uuid.uuid4().hex[:24]}"
        entry = Entry(request_id, exchange.method, exchange.path, fingerprint(credential))
        headers = [("request-id", request_id)]
        try:
            _check_headers(exchange)
            if (exchange.method, exchange.path) == ("POST", "/v1/messages"):
                return await self._answer_messages(connection, exchange, entry)
            body = _answer_simple(exchange)
        except ApiError as refused:
            self.journal.add(replace(entry, status=refused.status))
            body = error_body(refused.error_type, refused.message, request_id)
            await connection.send_json(refused.status, body, headers)
        else:
            self.journal.add(entry)
            await connection.send_json(200, body, headers)
        return True

    async def _answer_messages(self, connection: Connection, exchange: Exchange, entry: Entry) -> bool:
        request = parse_request(read_object(exchange.body))
        name, script = find_script(request.system)
        answer = script(request)
        # A fault is spent on a request that would have been answered, so that none is lost on a caller's bug.
        fault = self.faults.take()
        entry = replace(entry, script=name, turn=request.turn, stream=request.stream, model=request.model)
        if isinstance(fault, AnswerWithStatus):
            self.journal.add(replace(entry, status=fault.status, fault=fault.kind))
            await _send_status(connection, fault, entry.request_id)
            return True
        usage, message_id = self.cache.account(request), f"msg_{uuid.uuid4().hex[:24]}"
        reply = compose(request, answer, usage, message_id)
        if isinstance(fault, Refusal):
            reply = refuse(request, usage, message_id)
        if isinstance(fault, TruncateToolArguments):
            reply = cut_into_the_last_part(reply)
        self.journal.add(replace(entry, stop_reason=reply.stop_reason, fault=fault.kind if fault else ""))
        delivery = Delivery(connection, reply, fault, entry.request_id, self.pace_seconds)
        return await (delivery.streamed() if request.stream else delivery.whole())


async def _send_status(connection: Connection, fault: AnswerWithStatus, request_id: str) -> None:
    body = error_body(fault.error_type, fault.message, request_id, fault.error_code)
    await connection.send_json(fault.status, body, [("request-id", request_id), *fault.headers])


def _check_headers(exchange: Exchange) -> None:
    bearer = exchange.headers.get("authorization", "").removeprefix("Bearer").strip()
    if not bearer and not exchange.headers.get("x-api-key"):
        raise ApiError("authorization: header is required", "authentication_error")
    if not exchange.headers.get("anthropic-version"):
        raise ApiError("anthropic-version: header is required")


def _answer_simple(exchange: Exchange) -> JsonObject:
    match exchange.method, exchange.path:
        case "POST", "/v1/messages/count_tokens":
            return {"input_tokens": count_tokens(parse_request(read_object(exchange.body), counting=True))}
        case "GET", "/v1/models":
            models: list[Json] = [_model(model) for model in MODELS]
            return {"data": models, "has_more": False, "first_id": None, "last_id": None}
        case "GET", path if path.removeprefix("/v1/models/") in MODELS:
            return _model(path.removeprefix("/v1/models/"))
        case _:
            raise _no_such_address(exchange)


def _model(model: str) -> JsonObject:
    return {
        "type": "model",
        "id": model,
        "display_name": MODELS[model],
        "created_at": "2026-09-22T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
    }


def _no_such_address(exchange: Exchange) -> ApiError:
    return ApiError(f"{exchange.method} {exchange.path}: Not found", "not_found_error")
