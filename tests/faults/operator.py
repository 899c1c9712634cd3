"""Answers escalations as an operator would: what is in doubt is looked up in the bank's own journal."""

import asyncio
import time
from contextlib import suppress

from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from contracts.decisions import Verdict
from contracts.runs import Ending
from tests.end_to_end.runs import Run
from tests.faults.bank.journal import Journal, What
from tests.faults.collect import ledger_rows
from tests.faults.facts import Answered, Facts, LedgerRow
from tests.faults.worker import DEPLOYMENT
from tests.faults.world import World
from workers.embedded.temporal_server import NAMESPACE
from workers.resources.store import Store
from workers.resources.store.errors import StoreUnreachable
from workers.resources.store.schema import REQUESTS

LOOKED_EVERY_SECONDS = 0.5
APPLIED_WITHIN_SECONDS = 1.5
"""The bank has applied what it is going to apply of a call that was sent, this long after the last one arrived."""
DECIDED_WITHIN_SECONDS = 30


class Operator:
    """Looks after the runs of one lane until it is cancelled."""

    def __init__(self, world: World, store: Store, facts: Facts) -> None:
        self._world, self._store, self._facts = world, store, facts
        self._journal = Journal(world.folder / "journal.jsonl")
        self._answered: set[str] = set()

    async def look_after(self) -> None:
        """For ever."""
        client = await self._world.client()
        while True:
            await asyncio.sleep(LOOKED_EVERY_SECONDS)
            with suppress(StoreUnreachable):
                for request_id, run in await asyncio.to_thread(self._store.at_one_moment, _open_requests):
                    if request_id not in self._answered:
                        await self._answer(client, request_id, run)

    async def _answer(self, client: Client, request_id: str, run_id: str) -> None:
        handle = client.get_workflow_handle(run_id, result_type=Ending)
        run = Run(handle, NAMESPACE, DEPLOYMENT)
        # Whoever cannot be reached now is asked again at the next look.
        with suppress(RPCError, WorkflowUpdateFailedError, AssertionError):
            view = await run.view()
            number = int(request_id.rpartition("#")[2])
            if not any(request.id == request_id for request in view.waiting_for):
                return
            row = await self._in_doubt(run_id)
            happened = self._happened(row.tool, row.memo)
            if happened is None:
                return
            verdict = self._verdict(happened)
            await asyncio.wait_for(run.decides(verdict, by="olga", number=number), DECIDED_WITHIN_SECONDS)
            self._answered.add(request_id)
            said = {"run": run_id, "problem": view.reason, "verdict": verdict.value, "tool": row.tool, "memo": row.memo}
            self._facts.answered.append(Answered(**said, at=time.time()))

    def _verdict(self, happened: bool) -> Verdict:
        """The one place that knows the options of an escalation.

        Taking over counts the step as done; a retry is a new occurrence, with a new key.
        """
        return Verdict.TAKE_OVER if happened else Verdict.RETRY

    async def _in_doubt(self, run_id: str) -> LedgerRow:
        """The step that nobody knows of: the newest of this run that the ledger does not have as done."""
        rows = await asyncio.to_thread(self._store.at_one_moment, lambda connection: ledger_rows(connection, run_id))
        doubtful = [row for row in rows if row.state in ("unknown", "said_no", "refused")]
        return max(doubtful, key=lambda row: row.finished_at.timestamp() if row.finished_at else 0.0)

    def _happened(self, tool: str, memo: str) -> bool | None:
        """Whether the bank has done it; None while that cannot be said yet."""
        lines = [line for line in self._journal.lines() if (line.tool, line.memo) == (tool, memo)]
        arrived = [line.at for line in lines if line.what is What.ARRIVAL]
        if arrived and time.time() < max(arrived) + APPLIED_WITHIN_SECONDS:
            return None
        return any(line.what is What.EFFECT for line in lines)


def _open_requests(connection: Connection) -> list[tuple[str, str]]:
    wanted = select(REQUESTS.c.request_id, REQUESTS.c.workflow_id).where(REQUESTS.c.closed_at.is_(None))
    return [(str(request), str(run)) for request, run in connection.execute(wanted)]
