"""Answers escalations as an operator would: what is in doubt is looked up in the bank's own journal."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import TemporalError

from contracts.decisions import Decision, Receipt, RequestKind, Verdict
from contracts.runs import Ending, RunView
from tests.faults.bank.journal import Journal, Line, What
from tests.faults.collect import ledger_rows
from tests.faults.facts import Answered, Facts, LedgerRow
from tests.faults.worker import DEPLOYMENT
from tests.faults.world import World
from workers.embedded.temporal_server import NAMESPACE
from workers.resources.store import Store
from workers.resources.store.errors import StoreUnreachable
from workers.resources.store.schema import REQUESTS

LOOKED_EVERY_SECONDS = 0.3
APPLIED_WITHIN_SECONDS = 1.5
"""The bank has applied what it is going to apply of a call that was sent, this long after the last one arrived."""
ASKED_WITHIN = timedelta(seconds=5)
DECIDED_WITHIN = timedelta(seconds=20)
AT_ONCE = 16
NOT_NOW = (TemporalError, StoreUnreachable, TimeoutError)
"""Whoever cannot be reached now is asked again at the next look."""


class Operator:
    """Looks after the runs of one lane until it is cancelled."""

    def __init__(self, world: World, store: Store, facts: Facts) -> None:
        self._world, self._store, self._facts = world, store, facts
        self._journal = Journal(world.folder / "journal.jsonl")
        self._at_it: set[str] = set()
        """Requests that are answered, or being answered."""
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def look_after(self) -> None:
        """For ever."""
        client = await self._world.client()
        async with asyncio.TaskGroup() as answering:
            while True:
                await asyncio.sleep(LOOKED_EVERY_SECONDS)
                waiting = [each for each in await self._open() if each[0] not in self._at_it]
                lines = self._journal.lines() if waiting else []
                for request_id, run in waiting:
                    self._at_it.add(request_id)
                    answering.create_task(self._answer(client, request_id, run, lines))

    async def _open(self) -> list[tuple[str, str]]:
        with suppress(StoreUnreachable):
            return await asyncio.to_thread(self._store.at_one_moment, _open_requests)
        return []

    async def _answer(self, client: Client, request_id: str, run: str, lines: list[Line]) -> None:
        try:
            async with self._gate:
                await self._answered(client, request_id, run, lines)
        except NOT_NOW:
            self._at_it.discard(request_id)

    async def _answered(self, client: Client, request_id: str, run: str, lines: list[Line]) -> None:
        row = await self._in_doubt(run)
        happened = self._happened(row, lines)
        if happened is None:
            raise TimeoutError(f"the bank may still do {row.memo}")
        told = await _decide(client.get_workflow_handle(run, result_type=Ending), request_id, happened)
        said = {"run": run, "problem": told.problem, "verdict": told.verdict.value, "tool": row.tool, "memo": row.memo}
        self._facts.answered.append(Answered(**said, at=time.time()))

    async def _in_doubt(self, run: str) -> LedgerRow:
        """The step that nobody knows of: the newest of this run that the ledger does not have as done."""
        rows = await asyncio.to_thread(self._store.at_one_moment, lambda connection: ledger_rows(connection, run))
        doubtful = [row for row in rows if row.state in ("unknown", "said_no", "refused")]
        return max(doubtful, key=lambda row: row.finished_at.timestamp() if row.finished_at else 0.0)

    @staticmethod
    def _happened(row: LedgerRow, lines: list[Line]) -> bool | None:
        """Whether the bank has done it; None while that cannot be said yet."""
        told = [line for line in lines if (line.tool, line.memo) == (row.tool, row.memo)]
        arrived = [line.at for line in told if line.what is What.ARRIVAL]
        if arrived and time.time() < max(arrived) + APPLIED_WITHIN_SECONDS:
            return None
        return any(line.what is What.EFFECT for line in told)


class Told(NamedTuple):
    """What a run was told, and why it had asked."""

    verdict: Verdict
    problem: str


def _verdict(kind: RequestKind, happened: bool) -> Verdict:
    """What came of a call that was never answered; a step that failed for good is to be done anew."""
    if kind is RequestKind.OUTCOME:
        return Verdict.HAPPENED if happened else Verdict.DID_NOT_HAPPEN
    return Verdict.RETRY


async def _decide(handle: WorkflowHandle[object, Ending], request_id: str, happened: bool) -> Told:
    """Answer the request."""
    view: RunView = await handle.query("view", result_type=RunView, rpc_timeout=ASKED_WITHIN)
    request = next((each for each in view.waiting_for if each.id == request_id), None)
    if request is None:
        raise TimeoutError(f"{request_id} is not open yet, or not any more")
    now, verdict = datetime.now(UTC), _verdict(request.kind, happened)
    decision = Decision(
        deployment=DEPLOYMENT,
        namespace=NAMESPACE,
        workflow_id=handle.id,
        first_run_id=view.first_run_id,
        approval_id=request.id,
        action_digest=request.action_digest,
        verdict=verdict,
        approver="olga",
        issued_at=now,
        expires_at=now + timedelta(hours=1),
        display_digest=request.display_digest,
        note="it stands in the journal of the bank" if happened else "",
    )
    await handle.execute_update("decide", decision, result_type=Receipt, rpc_timeout=DECIDED_WITHIN)
    return Told(verdict, view.reason)


def _open_requests(connection: Connection) -> list[tuple[str, str]]:
    wanted = select(REQUESTS.c.request_id, REQUESTS.c.workflow_id).where(REQUESTS.c.closed_at.is_(None))
    return [(str(request), str(run)) for request, run in connection.execute(wanted)]
