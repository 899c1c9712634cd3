"""Bringing an answer to the caller, or failing to on the way, as the fault says."""

import asyncio
from dataclasses import dataclass

from demo.claude_simulator.answers import Reply
from demo.claude_simulator.connection import Connection
from demo.claude_simulator.errors import STATUS_OF_TYPE, error_body
from demo.claude_simulator.faults import Cut, Delay, EndEarly, Fault, Html, StreamError

SIGN_IN_PAGE = b"<html><body>Sign in to continue</body></html>"


@dataclass(frozen=True)
class Delivery:
    """One answer on its way; both ways of sending say whether the connection can carry another request."""

    connection: Connection
    reply: Reply
    fault: Fault | None
    request_id: str
    pace_seconds: float

    async def whole(self) -> bool:
        """Without a stream there are no events to count: a cut takes half of the body."""
        match self.fault:
            case Html():
                await self._send_page()
            case Cut(after_events=None):
                return self._reset()
            case Cut() | EndEarly():
                await self.connection.send_half(self.reply.to_json(), self._headers)
                return self._reset() if isinstance(self.fault, Cut) else False
            case StreamError(error_type=error_type):
                body = error_body(error_type, "Overloaded", self.request_id)
                await self.connection.send_json(STATUS_OF_TYPE[error_type], body, self._headers)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
                await self.connection.send_json(200, self.reply.to_json(), self._headers)
            case _:
                await self.connection.send_json(200, self.reply.to_json(), self._headers)
        return True

    async def streamed(self) -> bool:
        match self.fault:
            case Html():
                await self._send_page()
                return True
            case Cut(after_events=None):
                return self._reset()
            case Delay(after_events=None | 0, seconds=seconds):
                await asyncio.sleep(seconds)
            case _:
                pass
        await self.connection.start_stream(self._headers)
        return await self._stream()

    async def _stream(self) -> bool:
        stop_after = self.fault.after_events if isinstance(self.fault, Cut | EndEarly | StreamError) else None
        for number, (name, data) in enumerate(self.reply.events()):
            if number == stop_after:
                break
            await self.connection.send_event(name, data)
            await self._pause_after(number + 1)
        match self.fault:
            case Cut():
                return self._reset()
            case StreamError(error_type=error_type):
                body = error_body(error_type, "Overloaded", self.request_id)
                await self.connection.send_event("error", body)
            case _:
                pass
        await self.connection.end_stream()
        return True

    async def _pause_after(self, events: int) -> None:
        if isinstance(self.fault, Delay) and self.fault.after_events == events:
            await asyncio.sleep(self.fault.seconds)
        if self.pace_seconds:
            await asyncio.sleep(self.pace_seconds)

    async def _send_page(self) -> None:
        await self.connection.send(200, "text/html", SIGN_IN_PAGE)

    def _reset(self) -> bool:
        self.connection.reset()
        return False

    @property
    def _headers(self) -> list[tuple[str, str]]:
        return [("request-id", self.request_id)]
