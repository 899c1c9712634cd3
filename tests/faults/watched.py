"""Ports that tell where a call stands, and kill their own process where they were told to."""

import asyncio
import dataclasses
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.model import Model
from contracts.tools import ToolCall
from tests.faults.board import CURRENT, Board, InFlight, Slot
from tests.faults.phases import AMID, COMPLETING, ENTERED, STEPS
from workers.assembly import Ports

AMID_SECONDS = 0.12
"""After so long the bank has the call, and mostly has not answered."""


class Armed(Model):
    """A failpoint that is set."""

    failpoint: str = ""
    hit: int = 1
    """At which arrival the process dies."""


class Strike(Model):
    """A call that was hit by something else than a kill: its store or its server failed it."""

    at: float
    call: InFlight
    error: str


class End(Model):
    """An attempt at a call that came to its end, whatever that was. Of one whose worker died there is none."""

    call: InFlight
    attempt: int


class Watch:
    """What all watched ports of one worker share."""

    def __init__(self, board: Board, strikes: Path, ends: Path, armed: Armed) -> None:
        self._board, self._armed = board, armed
        self._left = armed.hit
        self._strikes, self._ends = _appended(strikes), _appended(ends)

    def slot(self, call: InFlight) -> Any:
        """Show a call for as long as it is in flight."""
        return self._board.slot(call)

    def reach(self, slot: Slot, phase: str) -> None:
        """The call has come to `phase`; if this is where it ends, it ends."""
        slot.reach(phase)
        if self.is_armed(phase):
            self.die()

    def is_armed(self, phase: str) -> bool:
        """Whether this arrival at `phase` is the one to die at."""
        if phase != self._armed.failpoint:
            return False
        self._left -= 1
        return self._left == 0

    def die(self) -> NoReturn:
        """As kill -9 does it."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives this")

    def struck(self, slot: Slot, error: Exception) -> None:
        """Write down that this call was failed by what it needs."""
        strike = Strike(at=time.time(), call=slot.call, error=type(error).__name__)
        os.write(self._strikes, strike.model_dump_json().encode() + b"\n")

    def ended(self, call: InFlight) -> None:
        """Write down that this attempt is over; reads within a workflow task have no attempts that history counts."""
        if not activity.info().is_local:
            os.write(self._ends, End(call=call, attempt=activity.info().attempt).model_dump_json().encode() + b"\n")


def _appended(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def strikes_in(path: Path) -> list[Strike]:
    """What was written down."""
    return [Strike.model_validate(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def ends_in(path: Path) -> list[End]:
    """What was written down."""
    return [End.model_validate(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


class Watched:
    """A port, each step of which is told to the watch."""

    def __init__(self, inner: object, port: str, watch: Watch) -> None:
        self._inner, self._port, self._watch = inner, port, watch

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        step = f"{self._port}.{name}"
        return self._step(step, method) if step in STEPS else method

    def _step(self, step: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def watched(*given: Any, **named: Any) -> Any:
            slot = CURRENT.get()
            if slot is None:  # not within a call of a tool
                return await method(*given, **named)
            self._watch.reach(slot, f"before {step}")
            if step == "toolbox.call" and self._watch.is_armed(AMID):
                await asyncio.wait({asyncio.ensure_future(method(*given, **named))}, timeout=AMID_SECONDS)
                self._watch.die()
            try:
                result = await method(*given, **named)
            except Exception as error:
                self._watch.struck(slot, error)
                raise
            self._watch.reach(slot, f"after {step}")
            return result

        return watched


PORTS = sorted({step.partition(".")[0] for step in STEPS})


def watched(ports: Ports, watch: Watch) -> Ports:
    """`ports`, of which those that the gate takes its steps through are watched."""
    wrapped: dict[str, Any] = {name: Watched(getattr(ports, name), name, watch) for name in PORTS}
    return dataclasses.replace(ports, **wrapped)


class CallsWatched(Interceptor):
    """Gives every call of a tool its slot, and ends the process at either end of the activity when it was told to."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """See temporalio.worker.Interceptor."""
        return _CallWatched(next, self._watch)


class _CallWatched(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, watch: Watch) -> None:
        super().__init__(following)
        self._watch = watch

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        if not input.args or not isinstance(input.args[0], ToolCall):
            return await self.next.execute_activity(input)
        call = input.args[0]
        run = str((call.arguments or {}).get("memo", "")).rpartition(" ")[0]
        flight = InFlight(run=run, step=call.step, occurrence=call.occurrence, tool=call.tool, phase=ENTERED)
        try:
            with self._watch.slot(flight) as slot:
                self._watch.reach(slot, ENTERED)
                result = await self.next.execute_activity(input)
                self._watch.reach(slot, COMPLETING)
                return result
        finally:
            self._watch.ended(flight)
