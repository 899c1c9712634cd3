"""Erasure by subject: rows stay and are emptied, and contents that nothing else names; auditors are told."""

import asyncio
from collections.abc import Sequence

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, select, update

from activities.conversations import RunKey
from activities.erasing import StillStands, Traces
from activities.notices import NoticeState
from contracts.audit import AuditRecord
from contracts.erasing import Erasure
from contracts.model import Moment
from workers.resources.store.audit import append
from workers.resources.store.database import Database, alone, overwrite_what_is_freed
from workers.resources.store.erasure_records import (
    Digests,
    erasure_record,
    left_digest,
    of_entry,
    of_request,
    of_start,
    run_record,
)
from workers.resources.store.outbox import ERASED
from workers.resources.store.schema import CONTENTS, LEDGER, OUTBOX, REQUESTS, STARTS, TURNS
from workers.resources.store.sharing import named_by, named_elsewhere, stored_contents
from workers.resources.store.traces import (
    erased_runs,
    in_parts,
    notices_of,
    of_run,
    run_of,
    starts_about,
    trace_of,
)

_ERASING = 0x696E7465726C6F65  # any constant of our own will do, as long as it is no other lock's
_KEPT_OF_TURN = ("stop_reason", "usage", "model", "request_id")
_KEPT_OF_OUTCOME = ("status", "action_digest", "result", "taint", "age_seconds")


class SqlErasing:
    """The port `activities.erasing.Erasing`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def traces(self, subject: str, names: tuple[str, ...] = ()) -> Traces:
        """What is kept of the runs that name the subject, and of those with these workflow ids."""

        def work(connection: Connection) -> Traces:
            starts = starts_about(connection, subject, names)
            told = notices_of(connection, map(run_of, starts))
            runs = tuple(trace_of(connection, row, subject, len(told[run_of(row)])) for row in starts)
            found = Traces(runs=runs)
            erasable = {each.run for each in found.erasable}
            return found.model_copy(update={"contents": sum(map(len, _own(connection, erasable).values()))})

        return await asyncio.to_thread(self._database.read_at_once_now, work)

    async def erase(self, erasure: Erasure, runs: tuple[RunKey, ...], at: Moment) -> Traces:
        """Empty what is kept of these runs, all of it or nothing. Raises StillStands."""

        def work(connection: Connection) -> Traces:
            alone(connection, _ERASING)
            overwrite_what_is_freed(connection)
            starts = [row for row in _locked(connection, runs) if row["erased_at"] is None]
            told = notices_of(connection, map(run_of, starts))
            found = Traces(runs=tuple(trace_of(connection, row, "", len(told[run_of(row)])) for row in starts))
            if found.standing:
                raise StillStands(found.standing)
            contents = _empty_contents(connection, {each.run for each in found.runs}, at)
            records = [_emptied(connection, erasure, row, told[run_of(row)], contents, at) for row in starts]
            erased = found.model_copy(update={"contents": sum(map(len, contents.values()))})
            if records:
                append(connection, erasure_record(erasure, erased, at), *records)
            return erased

        erased = await self._database.write(work)
        await asyncio.to_thread(self._database.forget_now)
        return erased


def _locked(connection: Connection, runs: Sequence[RunKey]) -> list[RowMapping]:
    """Their start records; nobody records another ending meanwhile."""
    found: list[RowMapping] = []
    for run in sorted(runs, key=lambda each: (each.workflow_id, each.first_run_id)):
        query = select(STARTS).where(of_run(STARTS, run)).with_for_update()
        found += connection.execute(query).mappings().all()
    return found


def _own(connection: Connection, runs: set[RunKey], lock: bool = False) -> dict[RunKey, tuple[str, ...]]:
    """The contents that these runs name and nothing else does, each with the first of them that names it.

    With `lock`, whoever puts one of them waits until this transaction is over, and what they name is seen.
    """
    owned: dict[str, RunKey] = {}
    for run in sorted(runs, key=lambda each: (each.workflow_id, each.first_run_id)):
        for address in named_by(connection, run):
            owned.setdefault(address, run)
    stored = stored_contents(connection, owned.keys(), lock)
    stored -= named_elsewhere(connection, stored, runs | erased_runs(connection))
    return {run: tuple(address for address in sorted(stored) if owned[address] == run) for run in runs}


def _empty_contents(connection: Connection, runs: set[RunKey], at: Moment) -> dict[RunKey, tuple[str, ...]]:
    own = _own(connection, runs, lock=True)
    for addresses in own.values():
        for part in in_parts(addresses):
            change = update(CONTENTS).where(CONTENTS.c.address.in_(part))
            connection.execute(change.values(content=b"", erased_at=at))
    return own


def _emptied(
    connection: Connection,
    erasure: Erasure,
    start: RowMapping,
    notices: Sequence[RowMapping],
    contents: dict[RunKey, tuple[str, ...]],
    at: Moment,
) -> AuditRecord:
    """Empty the rows of one run; the record of it."""
    run = run_of(start)
    _empty_turns(connection, run)
    _empty_notices(connection, notices)
    statement = {**start["start"], "again": ""}
    change = update(STARTS).where(of_run(STARTS, run))
    connection.execute(change.values(request={}, start=statement, erased_at=at))
    left = _entries(connection, run) | _requests(connection, run)
    started = connection.execute(select(STARTS).where(of_run(STARTS, run))).mappings().one()
    left[f"start record {run.workflow_id} ({run.first_run_id})"] = of_start(started)
    return run_record(erasure, run, left_digest(left), contents[run], at)


def _empty_turns(connection: Connection, run: RunKey) -> None:
    """How often Claude was asked, which model, and what it cost, stay."""
    for row in connection.execute(select(TURNS).where(of_run(TURNS, run))).mappings().all():
        same = (TURNS.c.conversation == row["conversation"], TURNS.c.turn == row["turn"])
        emptied: dict[str, object] = {
            "user": [],
            "facts": None,
            "assistant": None if row["assistant"] is None else [],
            "outcome": _only(row["outcome"], _KEPT_OF_TURN),
        }
        connection.execute(update(TURNS).where(of_run(TURNS, run), *same).values(emptied))


def _entries(connection: Connection, run: RunKey) -> dict[str, Digests]:
    """Empty the ledger's entries: which tool was called when, and how it ended, stay. What stands then."""
    left = {}
    for row in connection.execute(select(LEDGER).where(of_run(LEDGER, run))).mappings().all():
        outcome = _only(row["outcome"], _KEPT_OF_OUTCOME)
        if outcome is not None and isinstance(result := outcome.get("result"), dict):
            outcome["result"] = result | {"shape": ""}
        # Without its question it answers nobody else's.
        change = update(LEDGER).where(LEDGER.c.key == row["key"])
        change = change.values(arguments={}, outcome=outcome, question=None)
        left[f"ledger entry {row['key']}"] = of_entry(connection.execute(change.returning(LEDGER)).mappings().one())
    return left


def _requests(connection: Connection, run: RunKey) -> dict[str, Digests]:
    """Empty the requests: who was asked, by which rule, and what came of it, stay. What stands then."""
    left = {}
    for row in connection.execute(select(REQUESTS).where(of_run(REQUESTS, run))).mappings().all():
        entry = {**row["entry"], "title": "", "alike": None}
        same = (REQUESTS.c.request_id == row["request_id"], REQUESTS.c.first_run_id == run.first_run_id)
        change = update(REQUESTS).where(*same).values(entry=entry).returning(REQUESTS)
        emptied = connection.execute(change).mappings().one()
        left[f"request {row['request_id']} ({run.first_run_id})"] = of_request(emptied)
    return left


def _empty_notices(connection: Connection, notices: Sequence[RowMapping]) -> None:
    """What was not sent yet never will be."""
    for row in notices:
        notice = {**row["notice"], "address": "", "subject": "", "body": ""}
        change = update(OUTBOX).where(OUTBOX.c.id == row["id"], OUTBOX.c.channel == row["channel"])
        waits = row["state"] != NoticeState.SENT.value
        ended = {"state": NoticeState.UNDELIVERABLE.value, "leased_by": None, "leased_until": None} if waits else {}
        connection.execute(change.values(notice=notice, last_problem=ERASED if waits else "", **ended))


def _only(document: dict[str, JsonValue] | None, names: Sequence[str]) -> dict[str, JsonValue] | None:
    return None if document is None else {name: document[name] for name in names if name in document}
