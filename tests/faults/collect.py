"""Ask everybody what happened: the bank, the store, the audit chain, Temporal's histories."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from sqlalchemy import Connection, select
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from contracts.tools import CallStatus, ToolCall, ToolOutcome
from contracts.wire import DATA_CONVERTER
from tests.faults.bank.journal import Journal
from tests.faults.facts import Call, Facts, LedgerRow, call_of
from tests.faults.watched import ends_in, strikes_in
from tests.faults.worker import ends_of, strikes_of
from tests.faults.world import World
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.verification import verify_store
from workers.resources.store import Store
from workers.resources.store.schema import LEDGER

AT_ONCE = 8


async def collect(world: World, store: Store, facts: Facts) -> Facts:
    """Everything that is written down, once nothing moves any more."""
    facts.journal = Journal(world.folder / "journal.jsonl").lines()
    facts.ledger = await asyncio.to_thread(store.at_one_moment, ledger_rows)
    facts.audit = await asyncio.to_thread(store.at_one_moment, _audit)
    ended = {(call_of(end.call), end.attempt) for end in ends_in(ends_of(world.folder))}
    await _read_histories(world, facts, Counter(call for call, _ in ended))
    facts.kills, facts.ready = list(world.kills), list(world.ready)
    facts.strikes = strikes_in(strikes_of(world.folder))
    return facts


def ledger_rows(connection: Connection, run: str = "") -> list[LedgerRow]:
    """The entries of one run, or of all."""
    wanted = select(LEDGER).where(LEDGER.c.workflow_id == run) if run else select(LEDGER)
    rows = connection.execute(wanted).mappings()
    return [
        LedgerRow(
            run=row["workflow_id"],
            memo=str(row["arguments"].get("memo", "")),
            **{name: row[name] for name in LedgerRow.model_fields if name not in ("run", "memo")},
        )
        for row in rows
    ]


def _audit(connection: Connection) -> list[str]:
    report, _ = verify_store(connection, SignedHeads(), datetime.now(UTC))
    return [str(finding) for finding in report.findings]


async def _read_histories(world: World, facts: Facts, ended: Counter[Call]) -> None:
    client, gate = await world.client(), asyncio.Semaphore(AT_ONCE)

    async def of_one(run: str) -> None:
        async with gate:
            await _read_history(client.get_workflow_handle(run), facts, ended)

    await asyncio.gather(*(of_one(run.id) for run in facts.runs))


async def _read_history(handle: WorkflowHandle[object, object], facts: Facts, ended: Counter[Call]) -> None:
    events: dict[int, HistoryEvent] = {event.event_id: event async for event in handle.fetch_history_events()}
    for event in events.values():
        if event.HasField("activity_task_completed_event_attributes"):
            completed = event.activity_task_completed_event_attributes
            told = events[completed.scheduled_event_id].activity_task_scheduled_event_attributes
            if told.activity_type.name == "call_tool":
                (call,) = await DATA_CONVERTER.decode(told.input.payloads, [ToolCall])
                (outcome,) = await DATA_CONVERTER.decode(completed.result.payloads, [ToolOutcome])
                name: Call = (handle.id, call.step, call.occurrence)
                # Of a call that nobody knew of the run learns again what people found out.
                facts.completed[name] += outcome.status is not CallStatus.UNKNOWN
                if died_again(events[completed.started_event_id], ended[name]):
                    facts.unseen.add(name)


def died_again(started: HistoryEvent, ended: int) -> bool:
    """Whether more than one attempt before this one died with its worker; `ended`: how many came to an end.

    A worker may also die between the end of an attempt and word of it: the attempt after that began with silence.
    """
    told = started.activity_task_started_event_attributes
    silent = told.attempt > 2 and told.last_failure.HasField("timeout_failure_info")
    return silent or told.attempt - ended > 1
