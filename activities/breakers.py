"""The breaker of a server: opens when too many of its last calls failed, and lets one caller look whether it is back.

Pure: a frozen value and what becomes of it. The port `Breakers` keeps one for each server, shared by all workers.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from contracts.model import Model, Moment
from contracts.servers import BreakerRule

REMEMBERED = timedelta(minutes=10)
"""A failure that is older counts no more."""
PROBE_LEASE = timedelta(seconds=30)
"""After that another caller may look: whoever was to is dead, or as good as dead."""
JITTER = 0.1
"""By this share a breaker stays open longer at most, so that not all of them look at the same moment."""
LONGEST_ASKED = timedelta(hours=1)
"""A server that asks for more is looked at all the same."""
PROBLEM_CHARACTERS = 200
_MOST_DOUBLINGS = 20


class Trouble(StrEnum):
    """What was wrong with a server's health, in words of ours."""

    NOT_REACHED = "not reached"
    NO_ANSWER = "no answer"


class Report(Model):
    """How a server took a call."""

    trouble: Trouble | None = None
    """None: it answered, whatever it answered."""
    problem: str = ""
    """What it looked like from here."""
    retry_after_seconds: float | None = None
    """When the server wants to be asked again."""

    @property
    def healthy(self) -> bool:
        """The server answered."""
        return self.trouble is None


class Outcome(Model):
    """One call, as the window remembers it."""

    healthy: bool
    at: Moment


class Breaker(Model):
    """The breaker of one server as it stands."""

    server: str
    generation: int = 0
    """Grows whenever it opens or closes: what a call of an older one comes to changes nothing any more."""
    open: bool = False
    outcomes: tuple[Outcome, ...] = ()
    """The last calls, the newest last: of this generation, and while it is open those that opened it."""
    open_until: Moment | None = None
    opens_in_a_row: int = 0
    """Since a full window of healthy calls."""
    probe_owner: str | None = None
    """Whose turn it is to look whether the server is back."""
    probe_until: Moment | None = None
    problem: str = ""
    """The last one."""
    changed_at: Moment | None = None
    """Since when it is open, or closed; the first outcome that was written, of one that was never open."""

    def with_changes(self, **changes: Any) -> "Breaker":
        """The same one, changed."""
        return Breaker.model_validate(dict(self) | changes)  # moments are cut to what is kept of them


class Position(StrEnum):
    """How a breaker stands, in one word."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"
    """Open, and somebody looks whether the server is back."""


class May(StrEnum):
    """What a caller may do."""

    CALL = "call"
    PROBE = "probe"
    """It alone, and nothing but look whether the server is back."""
    WAIT = "wait"


class Leave(Model):
    """What a breaker answers to a caller."""

    may: May
    breaker: Breaker
    """As it stood at that moment."""
    owner: str
    """The caller."""


def expire(breaker: Breaker, at: Moment) -> Breaker:
    """Without what is too old: outcomes that count no more, a probe whose lease has run out."""
    kept = tuple(outcome for outcome in breaker.outcomes if at - outcome.at <= REMEMBERED)
    lapsed = breaker.probe_until is not None and at >= breaker.probe_until
    without = {"probe_owner": None, "probe_until": None} if lapsed else {}
    return breaker.with_changes(outcomes=kept, **without)


def failed(breaker: Breaker, at: Moment) -> int:
    """How many of the last calls failed, of those that still count."""
    return sum(not outcome.healthy for outcome in expire(breaker, at).outcomes)


def position(breaker: Breaker, at: Moment) -> Position:
    """How it stands at a moment."""
    if not breaker.open:
        return Position.CLOSED
    return Position.PROBING if expire(breaker, at).probe_owner else Position.OPEN


def admit(breaker: Breaker, owner: str, at: Moment) -> tuple[Breaker, Leave]:
    """Whether `owner` may call, must wait, or is the one to look; and the breaker with that written down."""
    if not breaker.open:
        return breaker, Leave(may=May.CALL, breaker=breaker, owner=owner)
    probed = expire(breaker, at).probe_owner is not None
    if probed or (breaker.open_until is not None and at < breaker.open_until):
        return breaker, Leave(may=May.WAIT, breaker=breaker, owner=owner)
    won = breaker.with_changes(probe_owner=owner, probe_until=at + PROBE_LEASE)
    return won, Leave(may=May.PROBE, breaker=won, owner=owner)


def record(breaker: Breaker, rule: BreakerRule, leave: Leave, report: Report, at: Moment, jitter: float) -> Breaker:
    """The breaker after what came of a call or a probe. `jitter`: from 0 to 1, drawn anew for each record."""
    if leave.breaker.generation != breaker.generation:
        return breaker
    if leave.may is May.PROBE:
        return _probed(breaker, rule, leave, report, at, jitter)
    if report.healthy and breaker.opens_in_a_row == 0 and not failed(breaker, at):
        return breaker  # a healthy server costs no write
    outcomes = (*breaker.outcomes, Outcome(healthy=report.healthy, at=at))[-rule.window :]
    shifted = breaker.with_changes(outcomes=outcomes)
    if not report.healthy:
        shifted = shifted.with_changes(problem=report.problem[:PROBLEM_CHARACTERS])
        # Calls before the first that is remembered were healthy, or are too old to count.
        return _opened(shifted, rule, report, at, jitter) if failed(shifted, at) > rule.borne else shifted
    recovered = len(outcomes) == rule.window and all(outcome.healthy for outcome in outcomes)
    return shifted.with_changes(opens_in_a_row=0) if recovered else shifted


def _probed(breaker: Breaker, rule: BreakerRule, leave: Leave, report: Report, at: Moment, jitter: float) -> Breaker:
    if breaker.probe_owner != leave.owner:
        return breaker  # its lease ran out, and another one looks
    if not report.healthy:
        return _opened(breaker.with_changes(problem=report.problem[:PROBLEM_CHARACTERS]), rule, report, at, jitter)
    return breaker.with_changes(
        generation=breaker.generation + 1,
        open=False,
        outcomes=(),
        open_until=None,
        probe_owner=None,
        probe_until=None,
        changed_at=at,
    )


def _opened(breaker: Breaker, rule: BreakerRule, report: Report, at: Moment, jitter: float) -> Breaker:
    doubled = rule.open * 2 ** min(breaker.opens_in_a_row, _MOST_DOUBLINGS)
    ours = min(doubled, rule.longest) * (1 + JITTER * jitter)
    theirs = timedelta(seconds=min(report.retry_after_seconds or 0, LONGEST_ASKED.total_seconds()))
    return breaker.with_changes(
        generation=breaker.generation + 1,
        open=True,
        open_until=at + max(ours, theirs),
        opens_in_a_row=breaker.opens_in_a_row + 1,
        probe_owner=None,
        probe_until=None,
        changed_at=at,
    )


class Breakers(Protocol):
    """One breaker for each server, for all workers. What opens, closes or is probed is told to the audit chain."""

    async def admit(self, server: str, owner: str, at: Moment) -> Leave:
        """As the function `admit`; of any number of rivals one gets the probe."""

    async def record(self, server: str, rule: BreakerRule, leave: Leave, report: Report, at: Moment) -> Breaker:
        """As the function `record`, with the breaker as it then stands."""

    async def standing(self) -> dict[str, Breaker]:
        """Every breaker that was ever written, by server."""
