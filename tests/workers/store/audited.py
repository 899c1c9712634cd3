"""A store with an audit chain and checkpoints, and verifications of it after somebody tampered with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import JsonValue
from sqlalchemy import Connection, select, update

from activities.conversations import RunKey
from activities.ledger import LedgerState
from contracts.audit import AuditKind, AuditRecord, stream_of
from contracts.authority import DocumentKind
from contracts.canonical import canonical_json, digest
from contracts.decisions import Decision, Verdict
from contracts.signing import key_id_of, public_half
from tests.postgres import PrivatePostgres
from tests.workers.store.samples import DIGEST, NINE, RUN, at, claim, issued, lost, started
from workers.resources.audit.findings import Report
from workers.resources.audit.signed_heads import SignedHeads, signed_heads
from workers.resources.audit.verification import verify_store
from workers.resources.checkpoint_file import read_lines
from workers.resources.checkpoints import Checkpoints
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.documents import next_activation
from workers.resources.store.schema import AUDIT, AUDIT_HEADS

DEPLOYMENT = "stories"
RULED = RunKey(workflow_id="errand/B-2", first_run_id="run-2")
"""A run of which nothing but the chain tells."""
LEDGER_STREAM, RULED_STREAM = stream_of(RUN.workflow_id), stream_of(RULED.workflow_id)
assert LEDGER_STREAM != RULED_STREAM


def new_store(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of a store that is not there yet, on the database that the fixture's parameter names."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/store.db"
    server: PrivatePostgres = request.getfixturevalue("postgres")
    return server.new_database()


class _Undone(Exception):
    """What was tampered with is as it was."""


@dataclass
class Audited:
    """The store, and who verifies it."""

    url: str
    file: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    now: datetime = NINE

    async def fill(self) -> None:
        """Two runs and what governs them, with a checkpoint every few records."""
        store = Store.open(self.url)
        checkpoints = Checkpoints(store.audit, self.file, self.key, DEPLOYMENT, lambda: self.now)
        await activate(store)
        await store.starts.register(started(), NINE)
        await store.decided.use(decision(), "dana", at(1))
        for number in range(1, 11):
            await call(store, number)
            await store.audit.append(*(ruling(f"{number}.{n}") for n in range(3)))
            if number % 3 == 0:
                checkpoints.take()
        await store.starts.end(RUN, "refunded", at(30))
        checkpoints.take()
        store.close()

    def write_key(self, path: Path) -> None:
        """Put the key that signs into a file that only its owner may read."""
        path.touch(mode=0o600)
        path.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def signed(self) -> SignedHeads:
        """What the checkpoints say now."""
        public = public_half(self.key)
        return signed_heads({self.file.name: read_lines(self.file)}, {key_id_of(public): public}, DEPLOYMENT)

    def length(self, stream: str) -> int:
        """How many records a stream has."""
        database = Database(read_url(self.url))
        rows = database.read_now(lambda connection: link_rows(connection, stream))
        database.close()
        return len(rows)

    def verify(self, tamper: Callable[[Connection], Any] = lambda _: None, *, with_checkpoints: bool = True) -> Report:
        """The report after `tamper`; afterwards the store is as it was."""
        signed = self.signed() if with_checkpoints else SignedHeads(unverifiable="they are left out")
        reports = []

        def work(connection: Connection) -> None:
            tamper(connection)
            reports.append(verify_store(connection, signed, self.now + timedelta(seconds=1))[0])
            raise _Undone

        database = Database(read_url(self.url))
        try:
            database.write_now(work)
        except _Undone:
            return reports[0]
        finally:
            database.close()
        raise AssertionError("it was not undone")


async def activate(store: Store) -> None:
    """Rules in force."""
    content: JsonValue = {"rules.cedar": "permit (principal, action, resource);"}
    activation = next_activation(DocumentKind.POLICY, DEPLOYMENT, None, content, "first rules")
    await store.documents.activate(activation, content, "olga", NINE)


async def call(store: Store, number: int) -> None:
    """One entry of the ledger: mostly an effect that was done, now and then one that was not, or a second send."""
    key, content = f"key-{number}", canonical_json({"credit": f"C-{number}"})
    wanted = claim(key).model_copy(update={"policy_digest": DIGEST, "rule_ids": ("small",), "requester": "ada"})
    await store.ledger.claim(wanted, at(number))
    if number == 7:
        return
    await store.ledger.mark_sent(key, 0, "worker-1", at(number))
    if number == 8:
        await store.ledger.release(key, 1, at(number + 1))
    elif number == 9:
        await store.ledger.finish(key, 1, LedgerState.UNKNOWN, lost(), None, at(number + 1))
        await store.ledger.mark_sent(key, 1, "worker-2", at(number + 1))
        await store.ledger.release(key, 2, at(number + 2))
    else:
        await store.ledger.finish(key, 1, LedgerState.DONE, issued(content), content, at(number + 1))


def ruling(about: str) -> AuditRecord:
    """Policy has ruled on something."""
    return AuditRecord(
        kind=AuditKind.RULING,
        at=at(1),
        **RULED.model_dump(),
        who="ada",
        about=digest(about),
        facts={"effect": "permit"},
    )


def decision() -> Decision:
    """Dana approves the credit."""
    return Decision(
        deployment=DEPLOYMENT,
        namespace="default",
        workflow_id=RUN.workflow_id,
        first_run_id=RUN.first_run_id,
        approval_id="refund/A-17#1",
        action_digest=DIGEST,
        verdict=Verdict.APPROVE,
        approver="dana",
        nonce="n-1234567890abcdef",
        issued_at=NINE,
        expires_at=at(60),
        display_digest=DIGEST,
    )


LinkRow = dict[str, Any]


def link_rows(connection: Connection, stream: str) -> list[LinkRow]:
    """The rows of a stream, in order."""
    query = select(AUDIT).where(AUDIT.c.stream == stream).order_by(AUDIT.c.seq)
    return [dict(row) for row in connection.execute(query).mappings()]


def put_link_rows(connection: Connection, stream: str, rows: list[LinkRow]) -> None:
    """Replace a stream, and make its head row fit."""
    connection.execute(AUDIT.delete().where(AUDIT.c.stream == stream))
    if not rows:
        connection.execute(AUDIT_HEADS.delete().where(AUDIT_HEADS.c.stream == stream))
        return
    connection.execute(AUDIT.insert(), rows)
    last = max(rows, key=lambda row: int(row["seq"]))
    change = update(AUDIT_HEADS).where(AUDIT_HEADS.c.stream == stream)
    connection.execute(change.values(seq=last["seq"], hash=last["hash"]))
