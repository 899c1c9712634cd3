"""Who may turn to a server now: its breaker, its rate and its places, asked before anything goes there."""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from enum import StrEnum
from typing import TypeVar

from activities.breakers import PROBE_LEASE, Breaker, Breakers, Leave, May, Report, Trouble
from activities.clock import Clock
from activities.heartbeat import to_the_end
from activities.rates import Rates
from activities.toolbox import Health, NotSent, OutcomeUnknown, ServerRefused, Toolbox
from contracts.model import Moment, rfc3339
from contracts.servers import Limits, Rate, ServerRules
from contracts.tools import ToolDefinition

PROBE_SECONDS = PROBE_LEASE.total_seconds() * 2 / 3
"""A probe is over well before its lease is."""
SHORTLY_SECONDS = 1.0
HELD = "Held"
"""Type of the error of an attempt that waits for a server."""
AnswerT = TypeVar("AnswerT")


class HeldBy(StrEnum):
    """What stands between a call and its server."""

    BREAKER = "breaker"
    RATE = "rate"
    PLACES = "places"


class Held(Exception):
    """Nothing goes to the server now, and nothing did; later it may. The message says why, since when, until when."""

    def __init__(self, reason: str, retry_after_seconds: float, kind: HeldBy) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.kind = kind


class Admitted:
    """Leave to turn to one server. Without a report nothing is recorded."""

    def __init__(self, server: str, rules: ServerRules, rates: Rates, clock: Clock) -> None:
        self.server = server
        self._rules, self._rates, self._clock = rules, rates, clock
        self.report: Report | None = None
        """How the server took it; the last word counts."""

    async def to_send(self) -> None:
        """One call is about to leave: takes a token of the server's rate. Raises Held."""
        rate = self._rules.limits.rate
        if rate is None:
            return
        seconds = await self._rates.take(self.server, rate, await self._clock.now())
        if seconds > 0:
            raise Held(_over_rate(self.server, rate), _jittered(max(seconds, SHORTLY_SECONDS)), HeldBy.RATE)

    def healthy(self) -> None:
        """The server answered, whatever it said."""
        self.report = Report()

    def unhealthy(self, trouble: Trouble, problem: str, retry_after_seconds: float | None = None) -> None:
        """The server did not do what a healthy one does."""
        self.report = Report(trouble=trouble, problem=problem, retry_after_seconds=retry_after_seconds)

    async def call(self, asking: Awaitable[AnswerT]) -> AnswerT:
        """What the server answers to a call; how it took it is reported. Raises whatever `asking` raises."""
        answer = await self.listing(asking)
        self.healthy()
        return answer

    async def listing(self, asking: Awaitable[AnswerT]) -> AnswerT:
        """As `call`, for what may be answered without asking the server: success says nothing of its health."""
        try:
            return await asking
        except (NotSent, ServerRefused, OutcomeUnknown) as failure:
            self.report = report_of(failure) or self.report
            raise


def report_of(failure: NotSent | ServerRefused | OutcomeUnknown) -> Report | None:
    """What a failure says of the server's health; None where it says nothing."""
    if isinstance(failure, ServerRefused):
        return Report()
    if isinstance(failure, OutcomeUnknown):
        return Report(trouble=Trouble.NO_ANSWER, problem=str(failure))
    match failure.health:
        case Health.UNHEALTHY:
            return Report(
                trouble=Trouble.NOT_REACHED, problem=str(failure), retry_after_seconds=failure.retry_after_seconds
            )
        case Health.HEALTHY:
            return Report()
        case Health.UNTOLD:
            return None


class Admission:
    """One for each worker: it counts the places that the worker's own calls take."""

    def __init__(self, toolbox: Toolbox, breakers: Breakers, rates: Rates, clock: Clock) -> None:
        self._toolbox, self._breakers, self._rates, self._clock = toolbox, breakers, rates, clock
        self._taken: Counter[str] = Counter()

    @asynccontextmanager
    async def to(self, server: str, *, calls: bool = True) -> AsyncIterator[Admitted]:
        """Around everything that may talk to the server. `calls`: a call is to be made, which takes a place.

        Whoever comes when the breaker is due looks first whether the server is back.
        Raises Held, UnknownServer; NotSent when it cannot be looked at for reasons of ours.
        """
        rules = self._toolbox.rules(server)
        with ExitStack() as place:
            if calls:
                place.enter_context(self._place(server, rules.limits))
            leave = await self._leave(server, rules)
            admitted = Admitted(server, rules, self._rates, self._clock)
            try:
                yield admitted
            finally:
                if admitted.report is not None:
                    await self._record(server, rules, leave, admitted.report)

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """The server's tools, asked for only while its breaker lets anybody. Raises Held, UnknownServer, NotSent."""
        async with self.to(server, calls=False) as admitted:
            return await admitted.listing(self._toolbox.definitions(server))

    @contextmanager
    def _place(self, server: str, limits: Limits) -> Iterator[None]:
        """One of the worker's places at the server. Nobody waits for one: that would hold a place of the worker."""
        if self._taken[server] >= limits.concurrency:
            raise Held(_no_place(server, limits), _jittered(SHORTLY_SECONDS), HeldBy.PLACES)
        self._taken[server] += 1
        try:
            yield
        finally:
            self._taken[server] -= 1

    async def _leave(self, server: str, rules: ServerRules) -> Leave:
        """Leave to call; where the breaker is due, after a probe that succeeds. Raises Held, NotSent."""
        owner = secrets.token_hex(8)
        leave = await self._breakers.admit(server, owner, await self._clock.now())
        if leave.may is May.PROBE:
            await self._probe(server, rules, leave)
            leave = await self._breakers.admit(server, owner, await self._clock.now())
        if leave.may is not May.CALL:
            raise await self._held(leave.breaker)
        return leave

    async def _probe(self, server: str, rules: ServerRules, leave: Leave) -> None:
        """List the server's tools anew, which changes nothing there, and record whether it answered.

        Raises NotSent when it could not be asked for reasons of ours.
        """
        await self._record(server, rules, leave, await self._looked(server))

    async def _looked(self, server: str) -> Report:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._toolbox.probe(server)
        except TimeoutError:
            return Report(trouble=Trouble.NO_ANSWER, problem=f"its tools were not listed within {PROBE_SECONDS:.0f} s")
        except NotSent as not_sent:
            if (report := report_of(not_sent)) is None:
                raise
            return report
        return Report()

    async def _record(self, server: str, rules: ServerRules, leave: Leave, report: Report) -> None:
        recording = self._breakers.record(server, rules.breaker, leave, report, await self._clock.now())
        await to_the_end(recording)

    async def _held(self, breaker: Breaker) -> Held:
        now = await self._clock.now()
        left = (breaker.open_until - now).total_seconds() if breaker.open_until else 0.0
        # Once that is over, somebody is looking whether the server is back: it will not take long.
        return Held(_open(breaker, now), _jittered(max(left, SHORTLY_SECONDS)), HeldBy.BREAKER)


def _jittered(seconds: float) -> float:
    """A little later: not all who wait come back at one moment."""
    return seconds + random.uniform(0, max(1.0, seconds / 10))  # noqa: S311 - spreads load, guards nothing


def _open(breaker: Breaker, now: Moment) -> str:
    since = f" since {rfc3339(breaker.changed_at)}" if breaker.changed_at else ""
    waits = breaker.open_until is not None and now < breaker.open_until
    until = (
        f"until {rfc3339(breaker.open_until)}" if breaker.open_until and waits else "until a probe of it has succeeded"
    )
    return f"{breaker.server} is not called: its breaker is open{since} {until}; the last problem: {breaker.problem}"


def _over_rate(server: str, rate: Rate) -> str:
    return f"{server} is not called now: {rate.calls} calls in {rate.seconds} s are its limit, for all workers together"


def _no_place(server: str, limits: Limits) -> str:
    return f"{server} is not called now: {limits.concurrency} calls of this worker are under way, which is its limit"
