"""The Claude client of a worker: one streamed question, one whole answer, errors translated, costs counted."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Self, cast

import httpx2
from anthropic import AsyncAnthropic, AsyncStream
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import BaseModel

from activities.claude_port import ClaudeAnswer, ClaudeQuestion, ClaudeRejected
from workers.resources.claude_answer import StreamedAnswer
from workers.resources.claude_failures import ErrorEvent, raise_port_error
from workers.resources.claude_request import BETA_FIELDS, Json, body_of, headers_of
from workers.resources.prices import Prices, cost_micros

_TIMEOUT = httpx2.Timeout(connect=10, write=60, pool=30, read=300)
"""`read` is per chunk: the pings of a thinking model keep a stream alive."""


class AnthropicClaude:
    """The Messages API. Key and address come from the environment, as the SDK reads them."""

    def __init__(self, client: AsyncAnthropic, prices: Prices, *, traced: bool) -> None:
        self._client, self._prices, self._traced = client, prices, traced

    @classmethod
    async def connect(
        cls, prices: Prices, *, base_url: str | None = None, timeout: httpx2.Timeout = _TIMEOUT, traced: bool = False
    ) -> Self:
        """A client that is ready at once: what the SDK would load at the first question is loaded now, in a thread.

        `traced`: each question leaves the SDK's own span. That puts every answer together a second time, so it is
        for processes whose spans somebody collects.
        """
        client = AsyncAnthropic(
            base_url=base_url,
            max_retries=0,  # retries are Temporal's
            timeout=timeout,
            open_telemetry={"traces": {"content_mode": "metadata_only"}} if traced else False,
        )
        await asyncio.to_thread(lambda: client.messages)
        return cls(client, prices, traced=traced)

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """One request, streamed to its end. Raises ClaudeUnavailable, ClaudeRejected."""
        request_id = ""
        try:
            async with await self._begin(question) as stream:
                request_id = stream.response.headers.get("request-id", "")
                _check_content_type(stream.response, request_id)
                return await self._answer(question, stream, request_id)
        except Exception as error:  # noqa: BLE001 - every failure of the SDK is told apart in one place
            raise_port_error(error, request_id)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _begin(self, question: ClaudeQuestion) -> AsyncStream[RawMessageStreamEvent]:
        body, headers = body_of(question), headers_of(question)
        if self._traced:
            return await self._begin_traced(question.conversation_id, body, headers)
        # The body is JSON of our own: the SDK would only walk through it, and copy it, once more.
        return await self._client.post(
            "/v1/messages",
            content=_written(body),
            options={"headers": {"content-type": "application/json", **headers}},
            cast_to=Message,
            stream=True,
            stream_cls=AsyncStream[RawMessageStreamEvent],
        )

    async def _begin_traced(
        self, conversation_id: str, body: Json, headers: dict[str, str]
    ) -> AsyncStream[RawMessageStreamEvent]:
        traced = self._client
        if conversation_id:
            traced = traced.with_options(open_telemetry={**traced.open_telemetry, "conversation_id": conversation_id})
        named = {name: value for name, value in body.items() if name not in BETA_FIELDS}
        more = {name: value for name, value in body.items() if name in BETA_FIELDS}
        return await traced.messages.create(**named, extra_headers=headers, extra_body=more)  # type: ignore[call-overload, no-any-return]

    async def _answer(
        self, question: ClaudeQuestion, stream: AsyncStream[RawMessageStreamEvent], request_id: str
    ) -> ClaudeAnswer:
        answer = StreamedAnswer()
        async for event in _models(stream) if self._traced else _raw(stream):
            answer.take(event)
        usage = answer.usage()
        model = answer.model or question.model
        cost = cost_micros(usage, model, self._prices)
        return ClaudeAnswer(
            content=answer.content(),
            stop_reason=answer.stop_reason,
            usage=usage.model_copy(update={"cost_micros": cost}),
            model=model,
            request_id=request_id,
        )


async def _raw(stream: AsyncStream[RawMessageStreamEvent]) -> AsyncIterator[Json]:
    """The events as JSON, as they came. Raises ErrorEvent for one that tells of an error."""
    async for sent in AsyncStream.raw_events(stream.response):
        if sent.event in (None, "ping"):
            continue
        event = json.loads(sent.data)
        if sent.event == "error":
            raise ErrorEvent(event)
        if not isinstance(event, dict):
            raise ValueError("an event that is no object")
        yield event


async def _models(stream: AsyncStream[RawMessageStreamEvent]) -> AsyncIterator[Json]:
    """The same by way of the SDK, whose tracing sees them. Models are built without validation, so nothing is lost."""
    async for event in stream:
        if not isinstance(event, BaseModel):
            raise ValueError("an event that is no object")
        yield cast(Json, event.to_dict(mode="json", warnings=False))


def _written(body: Json) -> bytes:
    """As the SDK writes it; half of a surrogate pair, which it would choke on, as its escape."""
    written = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.encode("utf-8", "backslashreplace")


def _check_content_type(response: httpx2.Response, request_id: str) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        raise ClaudeRejected(
            f"the address of Claude answered with {kind or 'no content type'!r} instead of a stream; "
            "see whether ANTHROPIC_BASE_URL is the Messages API",
            request_id,
        )
