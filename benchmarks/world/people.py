"""The people of the deployment, with keys of their own, and what they put in force."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from contracts.authority import OPERATOR, ROSTER_ADMIN, DocumentKind, Endorsement, PinnedTool
from contracts.canonical import canonical_json
from contracts.decisions import Decision
from contracts.roster import Person, PublicKey, Roster
from contracts.runs import StartStatement
from contracts.signing import SignedFor, key_id_of, public_half, sign
from policies.document import document_of
from workers.resources.mcp_connections.toolbox import McpConnections
from workers.resources.servers_file import load_servers
from workers.resources.store import Store
from workers.resources.store.documents import next_activation
from workers.settings import REPOSITORY

AUTOMATIONS = Path(__file__).resolve().parents[1] / "automations"
APPROVERS = 8
"""Nobody decides more than a thousand times in an hour."""
DECISIONS_PER_HOUR = 1000
A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Signer:
    """Somebody with a key."""

    subject: str
    roles: tuple[str, ...]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def key_id(self) -> str:
        """The name of the key."""
        return key_id_of(public_half(self.key))

    def person(self) -> Person:
        """As the roster has them."""
        now = datetime.now(UTC)
        key = PublicKey(
            key_id=self.key_id, public=public_half(self.key), valid_from=now - A_DAY, valid_until=now + A_DAY
        )
        return Person(subject=self.subject, roles=self.roles, keys=(key,))

    def starts(self, start: StartStatement) -> StartStatement:
        """The statement, signed."""
        named = {"signer": self.subject, "key_id": self.key_id, "nonce": secrets.token_urlsafe(24)}
        unsigned = start.model_copy(update=named)
        return unsigned.model_copy(update={"signature": sign(self.key, SignedFor.START, unsigned)})

    def decides(self, decision: Decision) -> Decision:
        """The decision, signed."""
        named = {"approver": self.subject, "key_id": self.key_id, "nonce": secrets.token_urlsafe(24)}
        unsigned = decision.model_copy(update=named)
        return unsigned.model_copy(update={"signature": sign(self.key, SignedFor.DECISION, unsigned)})


@dataclass(frozen=True)
class People:
    """Everybody."""

    admins: tuple[Signer, ...] = field(
        default_factory=lambda: tuple(Signer(name, (ROSTER_ADMIN,)) for name in ("anna", "ben"))
    )
    olga: Signer = field(default_factory=lambda: Signer("olga", (OPERATOR,)))
    rita: Signer = field(default_factory=lambda: Signer("rita", ("support_agent",)))
    """Asks for every run."""
    approvers: tuple[Signer, ...] = field(
        default_factory=lambda: tuple(Signer(f"sam-{number}", ("support_lead",)) for number in range(APPROVERS))
    )

    def roster(self) -> Roster:
        """As it is put in force."""
        everybody = (*self.admins, self.olga, self.rita, *self.approvers)
        return Roster(people=tuple(each.person() for each in everybody), decisions_per_hour=DECISIONS_PER_HOUR)

    async def put_in_force(self, store: Store, deployment: str, servers: Path, private: Path) -> None:
        """Roster, rules and the tools as the declared servers publish them now, each signed as production wants it."""
        roster: JsonValue = self.roster().model_dump(mode="json")
        rules = document_of((REPOSITORY / "policies", AUTOMATIONS / "policies"))
        await _activate(store, deployment, DocumentKind.ROSTER, roster, self.admins)
        await _activate(store, deployment, DocumentKind.POLICY, rules, [self.olga])
        await _activate(store, deployment, DocumentKind.PINS, await _pins(store, servers, private), [self.olga])


async def _pins(store: Store, servers: Path, private: Path) -> JsonValue:
    declared = load_servers(servers)
    toolbox = McpConnections(declared, private_dir=private, log_dir=private)
    try:
        found = [tool for server in declared for tool in await toolbox.definitions(server.name)]
    finally:
        await toolbox.aclose()
    for tool in found:
        await store.contents.put(canonical_json(tool.as_published()))
    pins = {f"{tool.server}.{tool.name}": PinnedTool(pin=tool.pin(), definition=tool.pin()) for tool in found}
    return {name: pinned.model_dump(mode="json") for name, pinned in sorted(pins.items())}


async def _activate(
    store: Store, deployment: str, kind: DocumentKind, content: JsonValue, signers: Iterable[Signer]
) -> None:
    now = datetime.now(UTC)
    activation = next_activation(kind, deployment, None, content, "the benchmark's")
    for signer in signers:
        unsigned = Endorsement(activation=activation, signer=signer.subject, key_id=signer.key_id, signed_at=now)
        signed = unsigned.model_copy(update={"signature": sign(signer.key, SignedFor.ACTIVATION, unsigned)})
        await store.documents.propose(activation, content, signed, now)
    await store.documents.activate(activation, content, signer.subject, now)
