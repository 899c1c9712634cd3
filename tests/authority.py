"""What is in force, as a test sets it; people with real keys; and the ports that a store gives."""

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.authority import BreakGlass, PinnedTool
from contracts.decisions import Decision
from contracts.deployment import Deployment
from contracts.freezing import Freeze, FreezeScope, Thaw
from contracts.model import Moment
from contracts.roster import Person, PublicKey, Roster
from contracts.runs import StartStatement
from contracts.signing import SignedFor, key_id_of, public_half, sign
from contracts.tools import ToolDefinition
from policies.engine import PolicyEngine
from workers.resources.freezes import StoredFreezes
from workers.resources.store import Store

NOBODY = Roster()
LONG_AGO, FAR_OFF = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


@dataclass
class FixedAuthority:
    """The port `activities.authority.Authority`, with what a test says is in force; it may change at any time."""

    engine: PolicyEngine
    people: Roster = NOBODY
    before: Roster | None = None
    """What was in force at any other time, where that was another roster."""
    grants: tuple[BreakGlass, ...] = ()
    accepts_at_first_contact: bool = True
    pins: dict[str, PinnedTool] = field(default_factory=dict)
    missing: Exception | None = None
    """What asking for rules or roster raises instead of an answer."""
    hold: asyncio.Event | None = None
    """While it is not set, the roster is not answered."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody asks for the roster."""

    async def policy(self) -> PolicyEngine:
        """The rules in force."""
        if self.missing is not None:
            raise self.missing
        return self.engine

    async def roster(self) -> Roster:
        """The roster in force."""
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.missing is not None:
            raise self.missing
        return self.people

    async def rules_and_roster(self) -> tuple[PolicyEngine, Roster]:
        """Both."""
        return await self.policy(), await self.roster()

    async def roster_at(self, at: Moment) -> Roster:
        """The roster that was in force then."""
        return self.before or await self.roster()

    async def break_glass(self) -> tuple[BreakGlass, ...]:
        """The emergency grants."""
        return self.grants

    async def pinned(self, definition: ToolDefinition, at: Moment) -> PinnedTool | None:
        """The accepted definition; the first one seen, where that is accepted."""
        name = f"{definition.server}.{definition.name}"
        if name not in self.pins and self.accepts_at_first_contact:
            self.accept(definition)
        return self.pins.get(name)

    def accept(self, definition: ToolDefinition) -> None:
        """An operator pins it."""
        name = f"{definition.server}.{definition.name}"
        self.pins[name] = PinnedTool(pin=definition.pin(), definition="sha256:" + "0" * 64)


def store_ports(store: Store, authority: FixedAuthority, deployment: Deployment) -> dict[str, Any]:
    """The ports that a store gives, by the names under which activities ask for them."""
    names = (
        "ledger",
        "conversations",
        "contents",
        "inbox",
        "starts",
        "children",
        "decided",
        "totals",
        "taints",
        "audit",
        "outbox",
        "breakers",
        "rates",
        "budgets",
        "orphans",
    )
    ports = {name: getattr(store, name) for name in names}
    return ports | {"freezes": StoredFreezes(store.freezes, authority, deployment)}


@dataclass(frozen=True)
class Signer:
    """A person, or a service, with a key."""

    subject: str
    roles: tuple[str, ...] = ()
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    service: bool = False
    break_glass: tuple[str, ...] = ()
    mail: str = ""

    @property
    def public(self) -> str:
        """The public half."""
        return public_half(self.key)

    @property
    def key_id(self) -> str:
        """The key's name."""
        return key_id_of(self.public)

    def person(self, **changes: Any) -> Person:
        """As the roster has them."""
        key = PublicKey(key_id=self.key_id, public=self.public, valid_from=LONG_AGO, valid_until=FAR_OFF)
        person = Person(
            subject=self.subject,
            roles=self.roles,
            keys=(key,),
            service=self.service,
            break_glass=self.break_glass,
            mail=self.mail,
        )
        return person.model_copy(update=changes)

    def signed(self, decision: Decision, **changes: Any) -> Decision:
        """The decision with this person's signature over exactly what it says, changes included."""
        named = {"approver": self.subject, "key_id": self.key_id, "nonce": secrets.token_urlsafe(18)} | changes
        unsigned = Decision.model_validate(decision.model_dump() | named | {"signature": None})
        return unsigned.model_copy(update={"signature": sign(self.key, SignedFor.DECISION, unsigned)})

    def starts(self, start: StartStatement, **changes: Any) -> StartStatement:
        """The start statement with this signer's signature."""
        named = {"signer": self.subject, "key_id": self.key_id, "nonce": secrets.token_urlsafe(18)} | changes
        unsigned = StartStatement.model_validate(start.model_dump() | named | {"signature": None})
        return unsigned.model_copy(update={"signature": sign(self.key, SignedFor.START, unsigned)})

    def grants(self, role: str, deployment: str, at: datetime, hours: float = 1) -> BreakGlass:
        """A role taken in an emergency."""
        grant = BreakGlass(
            deployment=deployment,
            subject=self.subject,
            role=role,
            reason="the whole payments team is on a plane",
            key_id=self.key_id,
            nonce=secrets.token_urlsafe(18),
            issued_at=at,
            expires_at=at + timedelta(hours=hours),
        )
        return grant.model_copy(update={"signature": sign(self.key, SignedFor.BREAK_GLASS, grant)})

    def freezes(
        self, deployment: str, at: datetime, scope: FreezeScope = FreezeScope.ALL, target: str = "", **changes: Any
    ) -> Freeze:
        """The stop button, pressed."""
        freeze = Freeze(
            deployment=deployment,
            scope=scope,
            target=target,
            reason="money leaves twice",
            subject=self.subject,
            key_id=self.key_id,
            nonce=secrets.token_urlsafe(18),
            issued_at=at,
        ).model_copy(update=changes)
        return freeze.model_copy(update={"signature": sign(self.key, SignedFor.FREEZE, freeze)})

    def thaws(self, freeze: Freeze, at: datetime, **changes: Any) -> Thaw:
        """The freeze, taken back."""
        thaw = Thaw(
            deployment=freeze.deployment,
            freeze=freeze.nonce,
            reason="it was a report that counted twice",
            subject=self.subject,
            key_id=self.key_id,
            nonce=secrets.token_urlsafe(18),
            issued_at=at,
        ).model_copy(update=changes)
        return thaw.model_copy(update={"signature": sign(self.key, SignedFor.THAW, thaw)})


def roster_of(*signers: Signer, **more: Any) -> Roster:
    """A roster with these people."""
    return Roster(people=tuple(signer.person() for signer in signers), **more)
