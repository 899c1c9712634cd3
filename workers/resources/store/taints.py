"""What runs have read, in the store: a taint never leaves a run, and is told to auditors when it comes.

What a child run has read its parent hears of: the runs around it are tainted with it, before it reads.
"""

from sqlalchemy import Connection, bindparam, select

from activities.conversations import RunKey
from activities.remembered import Remembered
from contracts.model import Moment
from contracts.tools import Taint
from workers.resources.store.audit import append
from workers.resources.store.children import runs_around, tainted
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import TAINTS

REMEMBERED = 20_000

_OF_RUN = Prepared(
    select(TAINTS.c.taint).where(
        TAINTS.c.workflow_id == bindparam("of_workflow_id"), TAINTS.c.first_run_id == bindparam("of_first_run_id")
    )
)


class SqlTaints:
    """The port `activities.taints.Taints`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = Remembered[tuple[str, str, Taint], bool](REMEMBERED)

    async def of(self, run: RunKey) -> frozenset[Taint]:
        """What this run has read so far."""
        values = {"of_workflow_id": run.workflow_id, "of_first_run_id": run.first_run_id}
        found = await self._database.look_up(lambda connection: _OF_RUN.scalars(connection, values))
        return frozenset(Taint(taint) for taint in found)

    async def add(self, run: RunKey, taints: tuple[Taint, ...], tool: str, at: Moment) -> bool:
        """From now on the run, and every run around it, has read this, by that tool (`server.tool`).

        True when that is new of the run itself. The audit chain has each new one in the same transaction.
        """

        unknown = [taint for taint in taints if not self._known.get((run.workflow_id, run.first_run_id, taint))]
        if not unknown:
            return False

        def work(connection: Connection) -> bool:
            # In one order, so that rivals never deadlock.
            by_whom = [(run, tool), *((each, run.workflow_id) for each in runs_around(connection, run))]
            new = [
                (reader, taint, by)
                for taint in sorted(set(unknown))
                for reader, by in by_whom
                if insert_new(connection, TAINTS, _row(reader, taint, by, at))
            ]
            append(connection, *(tainted(reader, taint, by, at) for reader, taint, by in new))
            return any(reader == run for reader, _, _ in new)

        new = await self._database.write(work)
        for taint in unknown:  # a taint never leaves a run, so it need not be written again
            self._known.keep((run.workflow_id, run.first_run_id, taint), True)
        return new


def _row(run: RunKey, taint: Taint, tool: str, at: Moment) -> dict[str, object]:
    return run.model_dump() | {"taint": taint.value, "tool": tool, "tainted_at": at}
