"""Child runs in the store: entered by their parents, each used up by the one run that is registered for it."""

from pydantic import JsonValue
from sqlalchemy import Connection, and_, bindparam, select, update

from activities.children import ChildEntry, NoChild
from activities.conversations import RunKey
from activities.inbox import StartRecord
from contracts.audit import AuditKind, AuditRecord
from contracts.model import Moment
from contracts.runs import StartStatement
from contracts.tools import Taint
from workers.resources.store.audit import append
from workers.resources.store.database import Database, insert_new
from workers.resources.store.ledger_records import json_digest
from workers.resources.store.prepared import Found, Prepared
from workers.resources.store.schema import CHILDREN, STARTS, TAINTS

_CHILD = Prepared(select(CHILDREN).where(CHILDREN.c.workflow_id == bindparam("of_workflow_id")))
_PARENT = Prepared(
    select(CHILDREN.c.parent_workflow_id, CHILDREN.c.parent_first_run_id).where(
        CHILDREN.c.workflow_id == bindparam("of_workflow_id"), CHILDREN.c.first_run_id == bindparam("of_first_run_id")
    )
)
_WITH_PARENT = Prepared(
    select(CHILDREN, STARTS.c.ending, STARTS.c.ended_at, STARTS.c.erased_at)
    .join(
        STARTS,
        and_(
            STARTS.c.workflow_id == CHILDREN.c.parent_workflow_id,
            STARTS.c.first_run_id == CHILDREN.c.parent_first_run_id,
        ),
    )
    .where(CHILDREN.c.workflow_id == bindparam("of_workflow_id"))
)
_USE = Prepared(
    update(CHILDREN)
    .where(CHILDREN.c.workflow_id == bindparam("of_workflow_id"), CHILDREN.c.first_run_id.is_(None))
    .values(first_run_id=bindparam("by_first_run_id"))
)
_READ = Prepared(
    select(TAINTS.c.taint).where(
        TAINTS.c.workflow_id == bindparam("of_workflow_id"), TAINTS.c.first_run_id == bindparam("of_first_run_id")
    )
)


class SqlChildren:
    """The port `activities.children.Children`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enter(self, entry: ChildEntry, at: Moment) -> ChildEntry:
        """Enter a child; the audit chain has it in the same transaction. When one stands already, that one."""
        row = {
            "workflow_id": entry.start.workflow_id,
            "parent_workflow_id": entry.parent.workflow_id,
            "parent_first_run_id": entry.parent.first_run_id,
            "step": entry.step,
            "occurrence": entry.occurrence,
            "start": entry.start,
            "entered_at": at,
        }

        def work(connection: Connection) -> ChildEntry:
            if insert_new(connection, CHILDREN, row):
                append(connection, _entered(entry, at))
                return entry
            standing = _CHILD.one_or_none(connection, {"of_workflow_id": entry.start.workflow_id})
            assert standing is not None  # nothing is ever deleted
            return _entry(standing)

        return await self._database.write(work)

    async def find(self, workflow_id: str) -> ChildEntry | None:
        """The entry of the child with this workflow id, or None."""
        values = {"of_workflow_id": workflow_id}
        row = await self._database.look_up(lambda connection: _CHILD.one_or_none(connection, values))
        return None if row is None else _entry(row)


def use_entry(connection: Connection, record: StartRecord, at: Moment) -> list[AuditRecord]:
    """The run becomes the child that was entered, and begins with what its parent has read; the records of that.

    Raises NoChild.
    """
    values = {"of_workflow_id": record.run.workflow_id}
    row = _WITH_PARENT.one_or_none(connection, values)
    if row is None or StartStatement.model_validate(row["start"]) != record.start:
        raise NoChild("no run has entered this one as its child as it stands")
    parent = RunKey(workflow_id=row["parent_workflow_id"], first_run_id=row["parent_first_run_id"])
    if row["erased_at"] is not None or (row["ended_at"] is not None and row["ended_at"] >= row["entered_at"]):
        raise NoChild(f"{parent.workflow_id}, whose child this was to be, has ended since ({row['ending']})")
    if _USE.run(connection, values | {"by_first_run_id": record.run.first_run_id}) != 1:
        raise NoChild(f"another run was registered as this child of {parent.workflow_id}")
    return _inherit(connection, record.run, parent, at)


def runs_around(connection: Connection, run: RunKey) -> list[RunKey]:
    """The runs inside which this one was started, its parent first; none for a run that somebody has asked for."""
    around: list[RunKey] = []
    while (row := _PARENT.one_or_none(connection, _of(around[-1] if around else run))) is not None:
        around.append(RunKey(workflow_id=row["parent_workflow_id"], first_run_id=row["parent_first_run_id"]))
    return around


def tainted(run: RunKey, taint: Taint, by: str, at: Moment) -> AuditRecord:
    """That a run has read something from now on: by a tool, or by the run around it or inside it."""
    return AuditRecord(kind=AuditKind.TAINTED, at=at, **run.model_dump(), about=by, facts={"taint": taint.value})


def _inherit(connection: Connection, child: RunKey, parent: RunKey, at: Moment) -> list[AuditRecord]:
    inherited = sorted(Taint(each) for each in _READ.scalars(connection, _of(parent)))
    named = {**child.model_dump(), "tool": parent.workflow_id, "tainted_at": at}
    new = [taint for taint in inherited if insert_new(connection, TAINTS, named | {"taint": taint.value})]
    return [tainted(child, taint, parent.workflow_id, at) for taint in new]


def _entered(entry: ChildEntry, at: Moment) -> AuditRecord:
    facts: dict[str, JsonValue] = {
        "statement": json_digest(entry.start.model_dump(mode="json")),
        "automation": entry.start.automation,
        "step": entry.step,
        "occurrence": entry.occurrence,
    }
    named, child = entry.parent.model_dump(), entry.start.workflow_id
    return AuditRecord(kind=AuditKind.CHILD_ENTERED, at=at, **named, about=child, facts=facts)


def _entry(row: Found) -> ChildEntry:
    return ChildEntry(
        start=StartStatement.model_validate(row["start"]),
        step=row["step"],
        occurrence=row["occurrence"],
        first_run_id=row["first_run_id"] or "",
    )


def _of(run: RunKey) -> dict[str, object]:
    return {"of_workflow_id": run.workflow_id, "of_first_run_id": run.first_run_id}
