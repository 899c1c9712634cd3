"""Decisions that were taken: a nonce counts for one statement alone, whatever run it is sent to."""

from pydantic import JsonValue
from sqlalchemy import Connection, func, select

from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest
from contracts.decisions import Decision
from contracts.model import Moment
from workers.resources.store.audit import append
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database, insert_new
from workers.resources.store.schema import DECISIONS


class SqlDecided:
    """The port `activities.decided.Decided`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def use(self, decision: Decision, approver: str, at: Moment) -> bool:
        """Use the nonce for exactly this statement; False when another one has used it."""
        statement = decision.statement_digest()
        row = {
            "nonce": nonce_of(decision),
            "statement": statement,
            "approver": approver,
            "approval_id": decision.approval_id,
            "first_run_id": decision.first_run_id,
            "used_at": at,
            "note": digest(decision.note.encode()) if decision.note else "",
        }

        def work(connection: Connection) -> bool:
            if insert_new(connection, DECISIONS, row):
                if decision.note:
                    put_content(connection, decision.note.encode())
                append(connection, _record(decision, approver, statement, at))
                return True
            standing = select(DECISIONS.c.statement).where(DECISIONS.c.nonce == row["nonce"])
            return bool(connection.scalar(standing) == statement)

        return await self._database.write(work)

    async def taken_at(self, decision: Decision) -> Moment | None:
        """When exactly this statement was taken; None when it never was."""
        same = (DECISIONS.c.nonce == nonce_of(decision), DECISIONS.c.statement == decision.statement_digest())
        query = select(DECISIONS.c.used_at).where(*same)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def count_since(self, approver: str, since: Moment, besides: Decision | None = None) -> int:
        """How many decisions of this person were taken since then, besides `besides`."""
        query = select(func.count()).where(DECISIONS.c.approver == approver, DECISIONS.c.used_at >= since)
        if besides is not None:
            query = query.where(DECISIONS.c.nonce != nonce_of(besides))
        return await self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def notes(self, first_run_id: str, approval_id: str) -> tuple[tuple[str, str], ...]:
        """Approver and content address of the note, for every decision on one request that has one, oldest first."""
        of_request = (DECISIONS.c.first_run_id == first_run_id, DECISIONS.c.approval_id == approval_id)
        query = select(DECISIONS.c.approver, DECISIONS.c.note).where(*of_request, DECISIONS.c.note != "")
        query = query.order_by(DECISIONS.c.used_at, DECISIONS.c.nonce)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple((row.approver, row.note) for row in rows)

    async def deciders(self, first_run_id: str, approval_id: str) -> tuple[str, ...]:
        """The people whose decisions on one request were taken, each once, the first one first."""
        of_request = (DECISIONS.c.first_run_id == first_run_id, DECISIONS.c.approval_id == approval_id)
        query = select(DECISIONS.c.approver).where(*of_request).order_by(DECISIONS.c.used_at, DECISIONS.c.nonce)
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return tuple(dict.fromkeys(found))


def nonce_of(decision: Decision) -> str:
    """The decision's nonce; an unsigned one has none, and counts for its statement."""
    return decision.nonce or f"unsigned {decision.statement_digest()}"


def _record(decision: Decision, approver: str, statement: str, at: Moment) -> AuditRecord:
    facts: dict[str, JsonValue] = {
        "verdict": decision.verdict.value,
        "action": decision.action_digest,
        "display": decision.display_digest,
        "statement": statement,
        "nonce": nonce_of(decision),
        "key_id": decision.key_id or "",
        "signature": decision.signature or "",
        "note": digest(decision.note.encode()) if decision.note else "",
    }
    return AuditRecord(
        kind=AuditKind.DECISION,
        at=at,
        workflow_id=decision.workflow_id,
        first_run_id=decision.first_run_id,
        who=approver,
        about=decision.approval_id,
        facts=facts,
    )
