"""Documents in force: who made which rules, roster and pins active, and the proposals that wait for signatures."""

from dataclasses import dataclass

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, bindparam, func, select, update

from contracts.audit import GOVERNANCE, AuditKind, AuditRecord
from contracts.authority import Activation, BreakGlass, DocumentKind, Endorsement, InForce
from contracts.canonical import canonical_json, digest, parse_json
from contracts.model import Moment
from workers.resources.store.audit import append, lock
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database, insert_new
from workers.resources.store.errors import ContentDamaged
from workers.resources.store.ledger_records import json_digest
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import ACTIVATIONS, CONTENTS, ENDORSEMENTS, GRANTS

_OF_KIND = (ACTIVATIONS.c.kind == bindparam("of_kind"), ACTIVATIONS.c.activated_at.is_not(None))
_VERSION = Prepared(select(func.max(ACTIVATIONS.c.version)).where(*_OF_KIND))
_VERSIONS = Prepared(
    select(ACTIVATIONS.c.kind, func.max(ACTIVATIONS.c.version).label("version"))
    .where(ACTIVATIONS.c.activated_at.is_not(None))
    .group_by(ACTIVATIONS.c.kind)
)
"""Built once: that costs more than running it, and it is asked before every call."""
_GRANTS = Prepared(select(GRANTS.c.grant).order_by(GRANTS.c.recorded_at))


@dataclass(frozen=True)
class Amendment:
    """One name to add to a document."""

    kind: DocumentKind
    deployment: str
    name: str
    value: JsonValue


class Overtaken(Exception):
    """Another document became active meanwhile; what was proposed or signed was meant to replace the one before."""


class Documents:
    """Every write commits before it returns; each is in the audit chain in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def versions(self) -> dict[DocumentKind, int]:
        """The versions in force at one moment; kinds of which none is are left out."""
        rows = await self._database.look_up(_VERSIONS.all)
        return {DocumentKind(row["kind"]): row["version"] for row in rows}

    async def in_force(self, kind: DocumentKind) -> InForce | None:
        """The document in force. Raises ContentDamaged."""
        chain = await self.chain(kind)
        return chain[-1] if chain else None

    async def chain(self, kind: DocumentKind) -> tuple[InForce, ...]:
        """Every document that was ever in force, the first one first. Raises ContentDamaged."""
        return await self._database.read(lambda connection: _chain(connection, kind))

    async def propose(
        self, activation: Activation, content: JsonValue, endorsement: Endorsement | None, at: Moment
    ) -> int:
        """Keep a document that somebody wants active, with that person's signature; how many have signed it now.

        Proposing or signing the same again changes nothing. Raises Overtaken.
        """

        def work(connection: Connection) -> int:
            lock(connection, GOVERNANCE)
            _not_overtaken(connection, activation)
            put_content(connection, canonical_json(content))
            row = _key(activation) | {"activation": activation, "proposed_at": at, "activated_at": None}
            insert_new(connection, ACTIVATIONS, row)
            if endorsement is not None:
                _endorse(connection, endorsement, at)
            return len(_endorsements(connection, activation))

        return await self._database.write(work)

    async def proposals(self, kind: DocumentKind) -> tuple[InForce, ...]:
        """What was proposed as the next version, the oldest first."""
        query = select(ACTIVATIONS).where(ACTIVATIONS.c.kind == kind.value, ACTIVATIONS.c.activated_at.is_(None))

        def work(connection: Connection) -> tuple[InForce, ...]:
            following = _version(connection, kind) + 1
            rows = connection.execute(query.order_by(ACTIVATIONS.c.proposed_at)).mappings().all()
            return tuple(_document(connection, row) for row in rows if row["version"] == following)

        return await self._database.read(work)

    async def activate(self, activation: Activation, content: JsonValue, by: str, at: Moment) -> None:
        """Make a document active, whoever has checked that it may be. Raises Overtaken when a rival was faster."""

        def work(connection: Connection) -> None:
            lock(connection, GOVERNANCE)
            _activate(connection, activation, content, by, at)

        await self._database.write(work)

    async def amend(self, amendment: Amendment, by: str, at: Moment) -> JsonValue:
        """Add a name to a document that is an object, unless it has that name; its value in the document in force.

        For development alone: nobody signs.
        """

        def work(connection: Connection) -> JsonValue:
            lock(connection, GOVERNANCE)
            standing = next(reversed(_chain(connection, amendment.kind)), None)
            content: JsonValue = standing.content if standing else {}
            assert isinstance(content, dict)
            if amendment.name in content:
                return content[amendment.name]
            content = content | {amendment.name: amendment.value}
            following = next_activation(amendment.kind, amendment.deployment, standing, content, by)
            _activate(connection, following, content, by, at)
            return amendment.value

        return await self._database.write(work)

    async def grant(self, grant: BreakGlass, at: Moment) -> bool:
        """Record a role taken in an emergency; False when its nonce was used before."""

        def work(connection: Connection) -> bool:
            if not insert_new(connection, GRANTS, {"nonce": grant.nonce, "grant": grant, "recorded_at": at}):
                return False
            facts: dict[str, JsonValue] = {"role": grant.role, "until": grant.model_dump(mode="json")["expires_at"]}
            about = put_content(connection, canonical_json(grant))
            append(
                connection,
                AuditRecord(kind=AuditKind.BREAK_GLASS, at=at, who=grant.subject, about=about, facts=facts),
            )
            return True

        return await self._database.write(work)

    async def grants(self) -> tuple[BreakGlass, ...]:
        """Every emergency grant that was recorded."""
        rows = await self._database.look_up(_GRANTS.scalars)
        return tuple(BreakGlass.model_validate(row) for row in rows)


def next_activation(
    kind: DocumentKind, deployment: str, standing: InForce | None, content: JsonValue, reason: str
) -> Activation:
    """The statement that would put `content` in force after what stands."""
    return Activation(
        deployment=deployment,
        kind=kind,
        version=standing.activation.version + 1 if standing else 1,
        digest=digest(canonical_json(content)),
        previous=standing.activation.digest if standing else "",
        reason=reason[:300],
    )


def _activate(connection: Connection, activation: Activation, content: JsonValue, by: str, at: Moment) -> None:
    """The governance stream is locked: nobody else activates anything meanwhile."""
    _not_overtaken(connection, activation)
    put_content(connection, canonical_json(content))
    key = _key(activation)
    insert_new(connection, ACTIVATIONS, key | {"activation": activation, "proposed_at": at, "activated_at": None})
    same = (ACTIVATIONS.c[name] == value for name, value in key.items())
    connection.execute(update(ACTIVATIONS).where(*same).values(activated_at=at))
    facts: dict[str, JsonValue] = {"version": activation.version, "previous": activation.previous}
    facts["statement"] = json_digest(activation.model_dump(mode="json"))
    facts["signed_by"] = [each.signer for each in _endorsements(connection, activation)]
    about = f"{activation.kind.value} {activation.digest}"
    append(connection, AuditRecord(kind=AuditKind.ACTIVATED, at=at, who=by, about=about, facts=facts))


def _not_overtaken(connection: Connection, activation: Activation) -> None:
    version = _version(connection, activation.kind)
    if version != activation.version - 1:
        raise Overtaken(
            f"{activation.kind.value} version {version} is in force, and version {activation.version} was proposed; "
            "look at what is in force now, and propose again"
        )


def _endorse(connection: Connection, endorsement: Endorsement, at: Moment) -> None:
    activation = endorsement.activation
    row = _key(activation) | {"signer": endorsement.signer, "endorsement": endorsement, "endorsed_at": at}
    if insert_new(connection, ENDORSEMENTS, row):
        about = f"{activation.kind.value} {activation.digest}"
        facts: dict[str, JsonValue] = {"version": activation.version, "key_id": endorsement.key_id}
        facts["statement"] = json_digest(endorsement.model_dump(mode="json"))
        record = AuditRecord(kind=AuditKind.ENDORSED, at=at, who=endorsement.signer, about=about, facts=facts)
        append(connection, record)


def _key(activation: Activation) -> dict[str, object]:
    return {"kind": activation.kind.value, "version": activation.version, "digest": activation.digest}


def _version(connection: Connection, kind: DocumentKind) -> int:
    return _VERSION.scalar(connection, {"of_kind": kind.value}) or 0


def _chain(connection: Connection, kind: DocumentKind) -> tuple[InForce, ...]:
    query = select(ACTIVATIONS).where(ACTIVATIONS.c.kind == kind.value, ACTIVATIONS.c.activated_at.is_not(None))
    rows = connection.execute(query.order_by(ACTIVATIONS.c.version)).mappings().all()
    return tuple(_document(connection, row) for row in rows)


def _document(connection: Connection, row: RowMapping) -> InForce:
    activation = Activation.model_validate(row["activation"])
    content: bytes = connection.scalar(select(CONTENTS.c.content).where(CONTENTS.c.address == activation.digest)) or b""
    if digest(content) != activation.digest or row["digest"] != activation.digest:
        raise ContentDamaged(activation.digest)
    return InForce(
        activation=activation,
        content=parse_json(content),
        endorsements=_endorsements(connection, activation),
        at=row["activated_at"] or row["proposed_at"],
    )


def _endorsements(connection: Connection, activation: Activation) -> tuple[Endorsement, ...]:
    key = _key(activation)
    query = select(ENDORSEMENTS.c.endorsement).where(*(ENDORSEMENTS.c[name] == value for name, value in key.items()))
    rows = connection.execute(query.order_by(ENDORSEMENTS.c.signer)).scalars().all()
    return tuple(Endorsement.model_validate(row) for row in rows)
