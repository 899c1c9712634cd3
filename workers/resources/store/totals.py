"""Running totals in the store: added to under the total's row lock, so that of rivals each sees those before it."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue
from sqlalchemy import Connection, and_, bindparam, false, func, select, update

from activities.totals import CannotReserve, Spending
from contracts.audit import AuditKind, AuditRecord
from contracts.model import Moment
from contracts.tools import LARGEST_AMOUNT, Share
from workers.resources.store.audit import append
from workers.resources.store.columns import MomentText
from workers.resources.store.database import Database, insert_new
from workers.resources.store.ledger_records import json_digest
from workers.resources.store.pseudonyms import Pseudonyms
from workers.resources.store.schema import RESERVATIONS, TOTALS

# Built once: that costs more than running them.
_OF_TOTAL = and_(TOTALS.c.total == bindparam("of_total"), TOTALS.c.of == bindparam("of_whom"))
_ADD = update(TOTALS).where(_OF_TOTAL).values(amount=TOTALS.c.amount + bindparam("more")).returning(TOTALS.c.amount)
_OF_KEY = RESERVATIONS.c.key == bindparam("of_key")
_OF_KEY_AND_TOTAL = and_(_OF_KEY, RESERVATIONS.c.total == bindparam("of_total"))
_STANDS = RESERVATIONS.c.released == false()
_LOCKED = select(RESERVATIONS).where(_OF_KEY_AND_TOTAL).with_for_update()  # SQLite, with one writer, leaves that out
_ENTER = (
    update(RESERVATIONS)
    .where(_OF_KEY_AND_TOTAL)
    .values(
        action_digest=bindparam("of_action"),
        of=bindparam("of_whom"),
        amount=bindparam("more"),
        reached=bindparam("new_reached"),
        reserved_at=bindparam("at", type_=MomentText),
        released=False,
    )
)
_STANDING = select(RESERVATIONS.c.total).where(_OF_KEY, _STANDS)
_TAKE_BACK = (
    update(RESERVATIONS)
    .where(_OF_KEY_AND_TOTAL, _STANDS)
    .values(released=True)
    .returning(RESERVATIONS.c.of, RESERVATIONS.c.amount)
)
_REACHED = select(RESERVATIONS.c.reached).where(
    _OF_KEY_AND_TOTAL, _STANDS, RESERVATIONS.c.action_digest == bindparam("of_action")
)
_AMOUNT = select(TOTALS.c.amount).where(_OF_TOTAL)
_WOULD_REACH = select(
    func.coalesce(_REACHED.scalar_subquery(), func.coalesce(_AMOUNT.scalar_subquery(), 0) + bindparam("more"))
)


class SqlTotals:
    """The port `activities.totals.Totals`. Rows are locked in the order of the totals' names: no rivals deadlock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pseudonyms = Pseudonyms(database)

    async def peek(self, spending: Spending, shares: tuple[Share, ...]) -> dict[str, int]:
        """Total -> what `reserve` would return now; nothing is written."""
        return {share.total: await self._peek(spending, share) for share in shares}

    async def reserve(self, spending: Spending, shares: tuple[Share, ...], at: Moment) -> dict[str, int]:
        """Add the shares in one transaction, once per key, and return what each total then came to.

        Again for the same key: what it came to the first time, nothing added; after a release it is added anew.
        The audit chain has what is added in the same transaction. Raises CannotReserve when the key stands for
        another action, for two shares of one total, and for a total too large to be counted; nothing is kept then.
        """
        if len({share.total for share in shares}) < len(shares):
            raise CannotReserve("an action adds to a total once; name each total once")
        wanted = [_Wanted(spending, share, await self._pseudonyms.of(share.of), at) for share in shares]

        def work(connection: Connection) -> dict[str, int]:
            entered = [(each, *_reserve(connection, each)) for each in sorted(wanted, key=_by_total)]
            new = [_told(each, reached) for each, reached, is_new in entered if is_new]
            append(connection, *(_record(AuditKind.RESERVED, spending, facts, at) for facts in new))
            return {each.share.total: reached for each, reached, _ in entered}

        return await self._database.write(work)

    async def release(self, spending: Spending, at: Moment) -> None:
        """Take the shares of this action back: it has no effect. Releasing what is not reserved changes nothing."""

        def work(connection: Connection) -> None:
            totals = sorted(connection.scalars(_STANDING, {"of_key": spending.key}))
            taken = [total for total in totals if take_back(connection, spending.key, total)]
            append(connection, *(given_back(spending, total, at) for total in taken))

        await self._database.write(work)

    async def _peek(self, spending: Spending, share: Share) -> int:
        whom = await self._pseudonyms.of(share.of)
        values: dict[str, object] = {"of_key": spending.key, "of_action": spending.action_digest}
        values |= {"of_total": share.total, "of_whom": whom, "more": share.amount}
        return await self._database.look_up(
            lambda connection: int(connection.execute(_WOULD_REACH, values).scalar_one())
        )


class _Wanted(NamedTuple):
    spending: Spending
    share: Share
    whom: str
    at: Moment


def _by_total(wanted: _Wanted) -> str:
    return wanted.share.total


def _reserve(connection: Connection, wanted: _Wanted) -> tuple[int, bool]:
    """What the total came to by it, and whether that is new."""
    spending, share, whom, at = wanted
    values = {"of_key": spending.key, "of_total": share.total, "of_whom": whom, "more": share.amount, "at": at}
    values |= {"of_action": spending.action_digest}
    # Entered as a released one, so that whoever holds the row's lock decides whether it is still to be added.
    new = {"key": spending.key, "total": share.total, "of": whom, "amount": 0, "reached": 0, "action_digest": ""}
    insert_new(connection, RESERVATIONS, new | {"reserved_at": at, "released": True})
    standing = connection.execute(_LOCKED, {"of_key": spending.key, "of_total": share.total}).one()
    if not standing.released:
        if standing.action_digest != spending.action_digest:
            raise CannotReserve(
                f"the key of this action stands in the running total {share.total!r} for another action; "
                "a changed action needs a key of its own"
            )
        return int(standing.reached), False
    reached = _add(connection, share.total, whom, share.amount)
    connection.execute(_ENTER, values | {"new_reached": reached})
    return reached, True


def share_digest(whom: str, amount: int, reached: int) -> str:
    """What the audit chain is told of a reservation instead of whose it is and how much: one digest of it all."""
    return json_digest([whom, amount, reached])


def _told(wanted: _Wanted, reached: int) -> dict[str, JsonValue]:
    _, share, whom, _ = wanted
    return {"total": share.total, "share": share_digest(whom, share.amount, reached)}


def _record(kind: AuditKind, spending: Spending, facts: Mapping[str, JsonValue], at: Moment) -> AuditRecord:
    named = {"key": spending.key, **facts}
    return AuditRecord(kind=kind, at=at, **spending.run.model_dump(), about=spending.action_digest, facts=named)


def given_back(spending: Spending, total: str, at: Moment) -> AuditRecord:
    """The action no longer counts in the total."""
    return _record(AuditKind.GIVEN_BACK, spending, {"total": total}, at)


def take_back(connection: Connection, key: str, total: str) -> bool:
    """Take one share back; False: a rival was faster. Whoever takes several goes by the totals' names."""
    taken = connection.execute(_TAKE_BACK, {"of_key": key, "of_total": total}).one_or_none()
    if taken is not None:
        _add(connection, total, taken.of, -taken.amount)
    return taken is not None


def _add(connection: Connection, total: str, whom: str, amount: int) -> int:
    values = {"of_total": total, "of_whom": whom, "more": amount}
    reached = connection.scalar(_ADD, values)
    if reached is None:
        insert_new(connection, TOTALS, {"total": total, "of": whom, "amount": 0})
        reached = connection.execute(_ADD, values).scalar_one()
    if reached > LARGEST_AMOUNT:
        raise CannotReserve(f"the running total {total!r} would come to more than {LARGEST_AMOUNT}; ask for less")
    return int(reached)
