"""Start records and business keys: who asked for which run, and which run holds a case."""

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, bindparam, or_, select, update

from activities.conversations import RunKey
from activities.inbox import CaseErased, CaseTaken, Load, NameUsed, NonceUsed, StartRecord, TooManyActive
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import canonical_json, digest
from contracts.model import Moment
from contracts.runs import KnownCase, RunFound, RunsFound, RunsToFind, StartStatement
from workers.resources.store.audit import append
from workers.resources.store.children import use_entry
from workers.resources.store.database import Database, insert_new
from workers.resources.store.ledger_records import json_digest
from workers.resources.store.load import has_room, load_of
from workers.resources.store.prepared import Found, Prepared
from workers.resources.store.pseudonyms import Pseudonyms
from workers.resources.store.schema import CASES, START_NONCES, STARTS

# Built once: that costs more than running them.
_OF_RUN = (STARTS.c.workflow_id == bindparam("of_workflow_id"), STARTS.c.first_run_id == bindparam("of_first_run_id"))
_START = Prepared(select(STARTS).where(*_OF_RUN))
_NOT_ERASED = Prepared(select(STARTS).where(*_OF_RUN, STARTS.c.erased_at.is_(None)))


class SqlStarts:
    """The port `activities.inbox.Starts`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pseudonyms = Pseudonyms(database)

    async def register(self, record: StartRecord, at: Moment, most_active: int = 0) -> StartRecord:
        """Register a run and take its business key; when it is registered already, return that record.

        Raises CaseTaken when another run holds the key and `start.again` is empty, NonceUsed when another run was
        started with this statement, NameUsed when another run had this workflow id; nothing is kept then. Raises
        TooManyActive when `most_active` runs are active (0: no limit); the audit chain has that, and nothing else.
        Raises CaseErased when the run was erased, and NoChild when it says of itself that it is a child and is none.
        """

        def work(connection: Connection) -> StartRecord | None:
            standing = _START.one_or_none(connection, _of(record.run))
            if standing is not None:
                return _not_erased(standing)
            if most_active and not has_room(connection, most_active):
                append(connection, _too_many(record, most_active, at))
                return None
            return _registered(connection, record, at)

        registered = await self._database.write(work)
        if registered is None:
            raise TooManyActive(most_active)
        return registered

    async def load(self) -> Load:
        """How many runs are under way now."""
        return await self._database.read(load_of)

    async def find(self, run: RunKey) -> StartRecord | None:
        """The start record of a run, or None; also when it was erased."""
        values = _of(run)
        row = await self._database.look_up(lambda connection: _NOT_ERASED.one_or_none(connection, values))
        return None if row is None else _record(row)

    async def end(self, run: RunKey, ending: str, at: Moment) -> None:
        """Record the ending of a run; a later one replaces it, as a reset run ends again."""
        later = or_(STARTS.c.ended_at.is_(None), STARTS.c.ended_at <= at)
        change = update(STARTS).where(_is(run), later).values(ending=ending, ended_at=at)
        record = AuditRecord(kind=AuditKind.RUN_ENDED, at=at, **run.model_dump(), facts={"state": ending})

        def work(connection: Connection) -> None:
            before = connection.scalar(select(STARTS.c.ending).where(_is(run)).with_for_update())
            if connection.execute(change).rowcount and before != ending:
                append(connection, record)

        await self._database.write(work)

    async def look_up(self, automation: str, business_key: str, request: dict[str, JsonValue]) -> KnownCase:
        """What is known of a business case, and which top-level fields of its input differ from `request`."""
        same_run = and_(STARTS.c.workflow_id == CASES.c.workflow_id, STARTS.c.first_run_id == CASES.c.first_run_id)
        query = _holder_of(automation, business_key).join(STARTS, same_run)
        query = query.add_columns(STARTS.c.request, STARTS.c.ending, STARTS.c.start, STARTS.c.erased_at)
        row = await self._database.look_up(lambda connection: connection.execute(query).mappings().one_or_none())
        return KnownCase() if row is None else _known(row, request)

    async def find_runs(self, wanted: RunsToFind) -> RunsFound:
        """The runs of an automation that have one of these names or business keys, the newest first."""
        held = select(CASES.c.workflow_id).where(
            CASES.c.automation == wanted.automation, CASES.c.business_key.in_(wanted.business_keys)
        )
        named = or_(STARTS.c.workflow_id.in_(wanted.workflow_ids), STARTS.c.workflow_id.in_(held))
        query = select(STARTS.c.workflow_id, STARTS.c.ending).where(STARTS.c.automation == wanted.automation, named)
        query = query.order_by(STARTS.c.registered_at.desc())
        rows = await self._database.look_up(lambda connection: connection.execute(query).mappings().all())
        found = (RunFound(workflow_id=row["workflow_id"], ending=row["ending"] or "") for row in rows)
        return RunsFound(runs=tuple(found))

    async def pseudonym(self, requester: str) -> str:
        """A stable name for a requester that does not reveal it (HMAC under a key kept in the store)."""
        return f"r-{(await self._pseudonyms.of(requester))[:16]}"


def _registered(connection: Connection, record: StartRecord, at: Moment) -> StartRecord:
    """What stands afterwards: this record, or the one that an attempt at the same moment has put in."""
    if insert_new(connection, STARTS, _row(record, at)):
        _use_nonce(connection, record)
        holding = _take_case(connection, record, at)
        _take_name(connection, record.run)
        begins_with = use_entry(connection, record, at) if record.start.inside else []
        append(connection, _started(record, holding, at), *begins_with)
        return record
    standing = _START.one_or_none(connection, _of(record.run))
    assert standing is not None  # put in at the same moment; nothing is ever deleted
    return _record(standing)


def _take_case(connection: Connection, record: StartRecord, at: Moment) -> int:
    """Become the holder after the present one, and say the how-manieth. After a rival there is a next try."""
    start = record.start
    while True:
        holder = connection.execute(_holder_of(start.automation, start.business_key)).mappings().one_or_none()
        if holder is not None and not start.again:
            held_by = (holder["workflow_id"], holder["first_run_id"])
            raise CaseTaken(start.automation, start.business_key, *held_by)
        holding: int = 1 if holder is None else holder["holding"] + 1
        row = {
            "automation": start.automation,
            "business_key": start.business_key,
            "holding": holding,
            "workflow_id": record.run.workflow_id,
            "first_run_id": record.run.first_run_id,
            "taken_at": at,
        }
        if insert_new(connection, CASES, row):
            return holding


def _use_nonce(connection: Connection, record: StartRecord) -> None:
    row = {"nonce": record.start.nonce, **record.run.model_dump()}
    if record.start.nonce and not insert_new(connection, START_NONCES, row):
        raise NonceUsed("another run was started with this very statement; sign a new one")


def _take_name(connection: Connection, run: RunKey) -> None:
    others = and_(STARTS.c.workflow_id == run.workflow_id, STARTS.c.first_run_id != run.first_run_id)
    if connection.scalar(select(STARTS.c.first_run_id).where(others).limit(1)) is not None:
        raise NameUsed(f"another run was called {run.workflow_id!r}; start it anew with --again REASON")


def _started(record: StartRecord, holding: int, at: Moment) -> AuditRecord:
    start = record.start
    facts: dict[str, JsonValue] = {
        "automation": start.automation,
        "business_key": digest(start.business_key.encode("utf-8", "surrogatepass")),
        "holding": holding,
        "input": start.input_digest,
        "request": json_digest(record.request),
        "statement": json_digest(start.model_dump(mode="json")),
        "signer": start.signer,
        "key_id": start.key_id,
        "nonce": start.nonce,
    }
    if start.inside:
        facts |= {"parent": start.inside[-1].workflow_id, "parent_run": start.inside[-1].first_run_id}
    return AuditRecord(kind=AuditKind.RUN_STARTED, at=at, **record.run.model_dump(), who=start.requester, facts=facts)


def _too_many(record: StartRecord, most: int, at: Moment) -> AuditRecord:
    facts: dict[str, JsonValue] = {"automation": record.start.automation, "most_active": most}
    named = record.run.model_dump()
    who = record.start.requester
    return AuditRecord(kind=AuditKind.RUN_REFUSED, at=at, **named, who=who, facts=facts, once="too many active")


def _holder_of(automation: str, business_key: str) -> Select[*tuple[int, str, str]]:
    """The present holder of a case: one row, or none."""
    query = select(CASES.c.holding, CASES.c.workflow_id, CASES.c.first_run_id)
    query = query.where(CASES.c.automation == automation, CASES.c.business_key == business_key)
    return query.order_by(CASES.c.holding.desc()).limit(1)


def _known(row: RowMapping, request: dict[str, JsonValue]) -> KnownCase:
    erased = row["erased_at"] is not None
    differing = () if erased else _differing(row["request"], request)
    # Of an input that was erased its digest is left.
    same = digest(request) == row["start"]["input_digest"] if erased else not differing
    return KnownCase(
        workflow_id=row["workflow_id"],
        first_run_id=row["first_run_id"],
        same_input=same,
        differing_fields=differing,
        ending=row["ending"] or "",
        starts=row["holding"],
        erased_at=row["erased_at"],
    )


def _is(run: RunKey) -> ColumnElement[bool]:
    return and_(STARTS.c.workflow_id == run.workflow_id, STARTS.c.first_run_id == run.first_run_id)


def _of(run: RunKey) -> dict[str, object]:
    return {"of_workflow_id": run.workflow_id, "of_first_run_id": run.first_run_id}


def _row(record: StartRecord, at: Moment) -> dict[str, object]:
    return {
        "workflow_id": record.run.workflow_id,
        "first_run_id": record.run.first_run_id,
        "automation": record.start.automation,
        "business_key": record.start.business_key,
        "start": record.start,
        "request": record.request,
        "registered_at": at,
    }


def _not_erased(row: Found) -> StartRecord:
    if row["erased_at"] is not None:
        raise CaseErased(row["erased_at"])
    return _record(row)


def _record(row: Found) -> StartRecord:
    run = RunKey(workflow_id=row["workflow_id"], first_run_id=row["first_run_id"])
    start = StartStatement.model_validate(row["start"])
    return StartRecord(run=run, start=start, request=row["request"])


def _differing(one: dict[str, JsonValue], other: dict[str, JsonValue]) -> tuple[str, ...]:
    # In canonical form, because Python finds that True == 1.
    names = sorted(one.keys() | other.keys())
    return tuple(
        name
        for name in names
        if (name in one) != (name in other) or canonical_json(one.get(name)) != canonical_json(other.get(name))
    )
