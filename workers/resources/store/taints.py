"""What runs have read, in the store: a taint never leaves a run, and is told to auditors when it comes."""

from sqlalchemy import Connection, bindparam, select

from activities.conversations import RunKey
from activities.remembered import Remembered
from contracts.audit import AuditKind, AuditRecord
from contracts.model import Moment
from contracts.tools import Taint
from workers.resources.store.audit import append
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
        """From now on the run has read this, by that tool (`server.tool`). True when that is new.

        The audit chain has each new one in the same transaction.
        """

        unknown = [taint for taint in taints if not self._known.get((run.workflow_id, run.first_run_id, taint))]
        if not unknown:
            return False

        def work(connection: Connection) -> bool:
            # In one order, so that rivals never deadlock.
            new = [
                taint for taint in sorted(set(unknown)) if insert_new(connection, TAINTS, _row(run, taint, tool, at))
            ]
            append(connection, *(_record(run, taint, tool, at) for taint in new))
            return bool(new)

        new = await self._database.write(work)
        for taint in unknown:  # a taint never leaves a run, so it need not be written again
            self._known.keep((run.workflow_id, run.first_run_id, taint), True)
        return new


def _row(run: RunKey, taint: Taint, tool: str, at: Moment) -> dict[str, object]:
    return run.model_dump() | {"taint": taint.value, "tool": tool, "tainted_at": at}


def _record(run: RunKey, taint: Taint, tool: str, at: Moment) -> AuditRecord:
    return AuditRecord(
        kind=AuditKind.TAINTED,
        at=at,
        workflow_id=run.workflow_id,
        first_run_id=run.first_run_id,
        about=tool,
        facts={"taint": taint.value},
    )
