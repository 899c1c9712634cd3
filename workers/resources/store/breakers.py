"""Breakers and rates in the store: one row for each server, moved under its lock, so that all workers share them."""

import random
from collections.abc import Callable
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, select, update

from activities.breakers import Breaker, Leave, May, Report, admit, record
from activities.rates import Bucket, take
from contracts.audit import AuditKind, AuditRecord
from contracts.model import Moment, rfc3339
from contracts.servers import BreakerRule, Rate
from workers.resources.store.audit import append
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Found, Prepared
from workers.resources.store.schema import BREAKERS, RATES

_COLUMNS = tuple(name for name in Breaker.model_fields if name != "server")

# Built once: that costs more than running them. SQLite, with one writer, leaves the locks out.
_OF_SERVER = select(BREAKERS).where(BREAKERS.c.server == bindparam("of_server"))
_FIND = Prepared(_OF_SERVER)
_LOCKED = Prepared(_OF_SERVER.with_for_update())
_ALL = Prepared(select(BREAKERS))
_CHANGE = Prepared(
    update(BREAKERS)
    .where(BREAKERS.c.server == bindparam("of_server"))
    .values({name: bindparam(f"new_{name}", type_=BREAKERS.c[name].type) for name in _COLUMNS})
)
_BUCKET = Prepared(select(RATES).where(RATES.c.server == bindparam("of_server")).with_for_update())
_FILL = Prepared(
    update(RATES)
    .where(RATES.c.server == bindparam("of_server"))
    .values(tokens=bindparam("new_tokens"), filled_at=bindparam("new_filled_at", type_=RATES.c.filled_at.type))
)


class SqlBreakers:
    """The port `activities.breakers.Breakers`. What changes nothing writes nothing."""

    def __init__(self, database: Database, draw: Callable[[], float] = random.random) -> None:
        """`draw`: from 0 to 1, by how much longer a breaker stays open than it must."""
        self._database = database
        self._draw = draw

    async def admit(self, server: str, owner: str, at: Moment) -> Leave:
        """Leave to call, to probe or to wait; of any number of rivals one gets the probe."""
        standing = await self._database.look_up(lambda connection: _find(connection, server))
        after, leave = admit(standing, owner, at)
        if after == standing:
            return leave

        def work(connection: Connection) -> Leave:
            before = _locked(connection, server, at)
            won, leave = admit(before, owner, at)
            _write(connection, before, won, at, None)
            return leave

        return await self._database.write(work)

    async def record(self, server: str, rule: BreakerRule, leave: Leave, report: Report, at: Moment) -> Breaker:
        """Shift in what came of a call, or take what came of a probe; the breaker as it then stands."""
        jitter = self._draw()
        standing = await self._database.look_up(lambda connection: _find(connection, server))
        if record(standing, rule, leave, report, at, jitter) == standing:
            return standing

        def work(connection: Connection) -> Breaker:
            before = _locked(connection, server, at)
            after = record(before, rule, leave, report, at, jitter)
            _write(connection, before, after, at, report)
            return after

        return await self._database.write(work)

    async def standing(self) -> dict[str, Breaker]:
        """Every breaker that was ever written, by server."""
        rows = await self._database.read(_ALL.all)
        return {row["server"]: _breaker(row) for row in rows}


class SqlRates:
    """The port `activities.rates.Rates`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, server: str, rate: Rate, at: Moment) -> float:
        """0 when a token was taken, else how many seconds it takes until there is one."""

        def work(connection: Connection) -> float:
            insert_new(connection, RATES, {"server": server, "tokens": rate.at_once, "filled_at": at})
            row = _BUCKET.one_or_none(connection, {"of_server": server})
            assert row is not None  # inserted, or there before; nothing is ever deleted
            bucket, seconds = take(Bucket(tokens=row["tokens"], filled_at=row["filled_at"]), rate, at)
            if seconds == 0:
                filled = {"new_tokens": bucket.tokens, "new_filled_at": bucket.filled_at}
                _FILL.run(connection, {"of_server": server} | filled)
            return seconds

        return await self._database.write(work)


def _find(connection: Connection, server: str) -> Breaker:
    row = _FIND.one_or_none(connection, {"of_server": server})
    return Breaker(server=server) if row is None else _breaker(row)


def _locked(connection: Connection, server: str, at: Moment) -> Breaker:
    row = _LOCKED.one_or_none(connection, {"of_server": server})
    if row is None:
        insert_new(connection, BREAKERS, {"server": server} | _values(Breaker(server=server), at))
        row = _LOCKED.one_or_none(connection, {"of_server": server})
    assert row is not None  # inserted, or there before; nothing is ever deleted
    return _breaker(row)


def _write(connection: Connection, before: Breaker, after: Breaker, at: Moment, report: Report | None) -> None:
    """The change, and what auditors are told of it."""
    if after == before:
        return
    values = {f"new_{name}": value for name, value in _values(after, at).items()}
    _CHANGE.run(connection, {"of_server": after.server} | values)
    if after.generation != before.generation or after.probe_owner != before.probe_owner:
        append(connection, _told(after, at, report))


def _told(breaker: Breaker, at: Moment, report: Report | None) -> AuditRecord:
    """Never what the server said: what was wrong with it is told in words of ours."""
    became = May.PROBE.value if breaker.probe_owner else "open" if breaker.open else "closed"
    facts: dict[str, JsonValue] = {
        "became": became,
        "generation": breaker.generation,
        "opens_in_a_row": breaker.opens_in_a_row,
        "until": rfc3339(breaker.open_until) if breaker.open_until else "",
        "problem": report.trouble.value if report and report.trouble else "",
    }
    return AuditRecord(kind=AuditKind.BREAKER, at=at, about=breaker.server, facts=facts)


def _values(breaker: Breaker, at: datetime) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(breaker, name) for name in _COLUMNS}
    values["outcomes"] = [outcome.model_dump(mode="json") for outcome in breaker.outcomes]
    return values | {"changed_at": breaker.changed_at or at}


def _breaker(row: Found) -> Breaker:
    return Breaker.model_validate(dict(row))
