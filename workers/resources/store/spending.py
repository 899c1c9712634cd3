"""What runs have spent on Claude, counted in the transaction that commits each answer, and what people added to it."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    bindparam,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from activities.budgets import Account, Addition, day_of
from activities.conversations import RunKey
from contracts.audit import AuditKind, AuditRecord
from contracts.budgets import Amounts, Spender
from contracts.claude import Usage
from contracts.decisions import Decision
from contracts.model import Moment
from workers.resources.store.audit import append
from workers.resources.store.database import Database, insert_new
from workers.resources.store.decided import nonce_of
from workers.resources.store.prepared import Found, Prepared
from workers.resources.store.pseudonyms import Pseudonyms
from workers.resources.store.schema import EXTENSIONS, SPENT, SPENT_INSIDE, STARTS

_COUNTED = ("turns", "tokens", "cost_micros")
_SUMMED = ("run", "inside", "day")
# Built once: that costs more than running them.
_NO_TEXT, _NO_NUMBERS = cast(null(), Text), [cast(null(), BigInteger).label(name) for name in _COUNTED]
_ADDED = (cast(EXTENSIONS.c.extension, Text), cast(EXTENSIONS.c.extended_at, Text))
_SUMS = [cast(func.coalesce(func.sum(SPENT.c[name]), 0), BigInteger).label(name) for name in _COUNTED]
_ACCOUNT = Prepared(
    union_all(
        select(literal("run").label("what"), *_SUMS, _NO_TEXT.label("amounts"), _NO_TEXT.label("at")).where(
            SPENT.c.workflow_id == bindparam("of_workflow_id"), SPENT.c.first_run_id == bindparam("of_first_run_id")
        ),
        select(literal("inside"), *[SPENT_INSIDE.c[name] for name in _COUNTED], _NO_TEXT, _NO_TEXT).where(
            SPENT_INSIDE.c.workflow_id == bindparam("of_workflow_id"),
            SPENT_INSIDE.c.first_run_id == bindparam("of_first_run_id"),
        ),
        select(literal("day"), *_SUMS, _NO_TEXT, _NO_TEXT).where(
            SPENT.c.requester == bindparam("of_requester"),
            SPENT.c.automation == bindparam("of_automation"),
            SPENT.c.day == bindparam("on_day"),
        ),
        select(literal("added"), *_NO_NUMBERS, *_ADDED).where(
            EXTENSIONS.c.workflow_id == bindparam("of_workflow_id"),
            EXTENSIONS.c.first_run_id == bindparam("of_first_run_id"),
        ),
        select(literal("started"), *_NO_NUMBERS, _NO_TEXT, cast(STARTS.c.registered_at, Text)).where(
            STARTS.c.workflow_id == bindparam("of_workflow_id"), STARTS.c.first_run_id == bindparam("of_first_run_id")
        ),
    )
)
_EXTENDED = Prepared(
    select(EXTENSIONS.c.nonce).where(
        EXTENSIONS.c.nonce == bindparam("of_nonce"),
        EXTENSIONS.c.workflow_id == bindparam("of_workflow_id"),
        EXTENSIONS.c.first_run_id == bindparam("of_first_run_id"),
    )
)


def count_turn(connection: Connection, run: RunKey, spender: Spender, usage: Usage, at: datetime) -> None:
    """Count one answer of Claude. Within the transaction that commits it, and only where that one was committed."""
    spent: dict[str, object] = {"turns": 1, "tokens": usage.all_tokens, "cost_micros": usage.cost_micros}
    row = run.model_dump() | {"day": day_of(at), "requester": spender.requester, "automation": spender.automation}
    row |= spent
    _count(connection.dialect.name, tuple(row)).run(connection, row)
    for around in spender.inside:  # the outermost first, so that rivals never deadlock
        outer = around.model_dump(exclude={"automation"}) | spent
        _count_inside(connection.dialect.name, tuple(outer)).run(connection, outer)


class SqlBudgets:
    """The port `activities.budgets.Budgets`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pseudonyms = Pseudonyms(database)

    async def account(self, run: RunKey, requester: str, automation: str, day: str) -> Account:
        """What is counted, in one statement; of the requester under a pseudonym."""
        spender = Spender(requester=await self._pseudonyms.of(requester), automation=automation)
        values = _of(run) | {"of_requester": spender.requester, "of_automation": automation, "on_day": day}
        rows = await self._database.look_up(lambda connection: _ACCOUNT.all(connection, values))
        return _account(spender, rows)

    async def has_extended(self, run: RunKey, decision: Decision) -> bool:
        """Whether exactly this decision has extended the run's budget."""
        values = _of(run) | {"of_nonce": nonce_of(decision)}
        return await self._database.look_up(lambda connection: _EXTENDED.scalar(connection, values) is not None)

    async def extend(self, run: RunKey, decision: Decision, amounts: Amounts, approver: str, at: Moment) -> None:
        """Add to the budget of a run, once per decision; the audit chain has it in the same transaction."""
        nonce = nonce_of(decision)
        row = run.model_dump() | {"nonce": nonce, "extension": amounts, "approver": approver, "extended_at": at}
        record = AuditRecord(
            kind=AuditKind.EXTENDED,
            at=at,
            **run.model_dump(),
            who=approver,
            about=decision.approval_id,
            facts={"nonce": nonce, "extension": amounts.model_dump(mode="json")},
        )

        def work(connection: Connection) -> None:
            if insert_new(connection, EXTENSIONS, row):
                append(connection, record)

        await self._database.write(work)


def _account(spender: Spender, rows: Sequence[Found]) -> Account:
    sums = {row["what"]: Amounts(**{name: row[name] for name in _COUNTED}) for row in rows if row["what"] in _SUMMED}
    added = (row for row in rows if row["what"] == "added")
    started = [row["at"] for row in rows if row["what"] == "started"]
    return Account(
        spender=spender,
        run=sums["run"].plus(sums.get("inside", Amounts())),
        day=sums["day"],
        additions=tuple(Addition(amounts=Amounts.model_validate_json(row["amounts"]), at=row["at"]) for row in added),
        started_at=started[0] if started else None,
    )


def _of(run: RunKey) -> dict[str, object]:
    return {"of_workflow_id": run.workflow_id, "of_first_run_id": run.first_run_id}


@cache  # building a statement costs more than running it
def _count(dialect: str, columns: tuple[str, ...]) -> Prepared:
    new = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(SPENT)
    more = {name: SPENT.c[name] + new.excluded[name] for name in _COUNTED}
    changed = {**more, "requester": new.excluded.requester}  # somebody may have been recognised by another name since
    counted = new.on_conflict_do_update(index_elements=list(SPENT.primary_key.columns), set_=changed)
    return Prepared(counted, columns)


@cache
def _count_inside(dialect: str, columns: tuple[str, ...]) -> Prepared:
    new = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(SPENT_INSIDE)
    more = {name: SPENT_INSIDE.c[name] + new.excluded[name] for name in _COUNTED}
    counted = new.on_conflict_do_update(index_elements=list(SPENT_INSIDE.primary_key.columns), set_=more)
    return Prepared(counted, columns)
