"""A store, and the people who put documents in force in it with real keys."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, JsonValue

from contracts.authority import Activation, DocumentKind, Endorsement
from contracts.deployment import Deployment, Mode
from contracts.roster import Roster
from contracts.signing import SignedFor, sign
from policies.document import document_of
from tests.authority import Signer, roster_of
from tests.workers.store.samples import NINE
from workers.resources.authority import StoredAuthority
from workers.resources.store import Store
from workers.resources.store.documents import next_activation
from workers.settings import REPOSITORY

PRODUCTION = Deployment(id="here", namespace="default", mode=Mode.PRODUCTION)
DEVELOPMENT = PRODUCTION.model_copy(update={"mode": Mode.DEVELOPMENT})
RULES = document_of([REPOSITORY / "policies"])
ADMIN, OPERATOR = ("roster_admin",), ("operator",)


@dataclass
class Desk:
    """A store, and the people who put documents in force in it."""

    store: Store
    ada: Signer = field(default_factory=lambda: Signer("ada", ADMIN))
    alan: Signer = field(default_factory=lambda: Signer("alan", ADMIN))
    omar: Signer = field(default_factory=lambda: Signer("omar", OPERATOR))
    minutes: int = 0

    def now(self) -> datetime:
        """A minute later each time."""
        self.minutes += 1
        return NINE + timedelta(minutes=self.minutes)

    def authority(self, deployment: Deployment = PRODUCTION, **more: Any) -> StoredAuthority:
        """As another worker would begin."""
        return StoredAuthority(self.store.documents, self.store.contents, deployment, **more)

    async def put(
        self, kind: DocumentKind, content: JsonValue | BaseModel, *signers: Signer, deployment: str = "here"
    ) -> Activation:
        """Make it active with these signatures, whoever checked them."""
        activation, plain = await self.propose(kind, content, *signers, deployment=deployment)
        await self.store.documents.activate(activation, plain, "a test", self.now())
        return activation

    async def propose(
        self, kind: DocumentKind, content: JsonValue | BaseModel, *signers: Signer, deployment: str = "here"
    ) -> tuple[Activation, JsonValue]:
        """Propose it as the next version with these signatures."""
        plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
        standing = await self.store.documents.in_force(kind)
        activation = next_activation(kind, deployment, standing, plain, "a test")
        for signer in signers:
            await self.store.documents.propose(activation, plain, self.endorsed(activation, signer), self.now())
        return activation, plain

    def endorsed(self, activation: Activation, signer: Signer) -> Endorsement:
        """The signer's signature under it."""
        unsigned = Endorsement(activation=activation, signer=signer.subject, key_id=signer.key_id, signed_at=self.now())
        return unsigned.model_copy(update={"signature": sign(signer.key, SignedFor.ACTIVATION, unsigned)})

    def roster(self, *others: Signer, **more: Any) -> Roster:
        """Everybody."""
        return roster_of(self.ada, self.alan, self.omar, *others, **more)
