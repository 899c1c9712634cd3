"""Decisions that were taken: a nonce counts for one statement alone, whatever run it is sent to."""

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, select

from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest
from contracts.decisions import Decision
from contracts.model import Moment
from workers.resources.store.audit import append
from workers.resources.store.columns import MomentText
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import DECISIONS

# Built once: that costs more than running them.
_OF_NONCE = DECISIONS.c.nonce == bindparam("of_nonce")
_STATEMENT = Prepared(select(DECISIONS.c.statement).where(_OF_NONCE))
_TAKEN_AT = Prepared(select(DECISIONS.c.used_at).where(_OF_NONCE, DECISIONS.c.statement == bindparam("of_statement")))
_COUNT_SINCE = Prepared(
    select(func.count()).where(
        DECISIONS.c.approver == bindparam("of_approver"),
        DECISIONS.c.used_at >= bindparam("since", type_=MomentText),
        DECISIONS.c.nonce != bindparam("besides"),
    )
)
_OF_REQUEST = (
    DECISIONS.c.first_run_id == bindparam("of_first_run_id"),
    DECISIONS.c.approval_id == bindparam("of_approval_id"),
)
_IN_ORDER = (DECISIONS.c.used_at, DECISIONS.c.nonce)
_NOTES = Prepared(
    select(DECISIONS.c.approver, DECISIONS.c.note).where(*_OF_REQUEST, DECISIONS.c.note != "").order_by(*_IN_ORDER)
)
_DECIDERS = Prepared(select(DECISIONS.c.approver).where(*_OF_REQUEST).order_by(*_IN_ORDER))


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
            return bool(_STATEMENT.scalar(connection, {"of_nonce": row["nonce"]}) == statement)

        return await self._database.write(work)

    async def taken_at(self, decision: Decision) -> Moment | None:
        """When exactly this statement was taken; None when it never was."""
        values = {"of_nonce": nonce_of(decision), "of_statement": decision.statement_digest()}
        return await self._database.look_up(lambda connection: _TAKEN_AT.scalar(connection, values))

    async def count_since(self, approver: str, since: Moment, besides: Decision | None = None) -> int:
        """How many decisions of this person were taken since then, besides `besides`."""
        values = {"of_approver": approver, "since": since, "besides": "" if besides is None else nonce_of(besides)}
        return await self._database.look_up(lambda connection: int(_COUNT_SINCE.scalar(connection, values)))

    async def notes(self, first_run_id: str, approval_id: str) -> tuple[tuple[str, str], ...]:
        """Approver and content address of the note, for every decision on one request that has one, oldest first."""
        values = {"of_first_run_id": first_run_id, "of_approval_id": approval_id}
        rows = await self._database.read(lambda connection: _NOTES.all(connection, values))
        return tuple((row["approver"], row["note"]) for row in rows)

    async def deciders(self, first_run_id: str, approval_id: str) -> tuple[str, ...]:
        """The people whose decisions on one request were taken, each once, the first one first."""
        values = {"of_first_run_id": first_run_id, "of_approval_id": approval_id}
        found = await self._database.look_up(lambda connection: _DECIDERS.scalars(connection, values))
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
