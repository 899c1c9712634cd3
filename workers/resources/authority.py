"""What is in force, read from the store and believed only when the right people have signed it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from activities.activating import missing_signatures
from activities.authority import NothingInForce
from activities.conversations import Contents
from contracts.authority import BreakGlass, DocumentKind, InForce, PinnedTool
from contracts.canonical import canonical_json
from contracts.deployment import Deployment, Mode
from contracts.model import Moment
from contracts.roster import Roster
from contracts.tools import ToolDefinition
from policies.engine import CedarRules, PolicyBroken, PolicyEngine
from workers.resources.store.documents import Amendment, Documents, Overtaken, next_activation

T = TypeVar("T")
Versions = Mapping[DocumentKind, int]
_PINS = TypeAdapter(dict[str, PinnedTool])


@dataclass(frozen=True)
class _Loaded(Generic[T]):
    version: int
    rosters: int
    """The version of the roster under which its signatures were verified: a later one may have revoked a key."""
    document: T


class StoredAuthority:
    """The port `activities.authority.Authority`. A question reads a row or two; a document is read when it changed."""

    def __init__(self, documents: Documents, contents: Contents, deployment: Deployment, roster_root: str = "") -> None:
        """`roster_root`: digest of the first roster, where operators have pinned it; else the first one is believed."""
        self._documents, self._contents, self._deployment = documents, contents, deployment
        self._roster_root = roster_root
        self._policy: _Loaded[PolicyEngine] | None = None
        self._roster: _Loaded[Roster] | None = None
        self._pins: _Loaded[dict[str, PinnedTool]] | None = None

    async def policy(self) -> PolicyEngine:
        """The rules in force. Raises NothingInForce."""
        return await self._policy_of(await self._documents.versions())

    async def rules_and_roster(self) -> tuple[PolicyEngine, Roster]:
        """Both as they are in force at one moment. Raises NothingInForce."""
        versions = await self._documents.versions()
        return await self._policy_of(versions), await self._roster_of(versions)

    async def _policy_of(self, versions: Versions) -> PolicyEngine:
        self._policy = await self._current(DocumentKind.POLICY, self._policy, CedarRules.from_document, versions)
        if self._policy is None:
            raise NothingInForce("no policy is in force; make one active with `interlock policy activate`")
        return self._policy.document

    async def roster(self) -> Roster:
        """The roster in force; empty in development when there is none. Raises NothingInForce."""
        return await self._roster_of(await self._documents.versions())

    async def _roster_of(self, versions: Versions) -> Roster:
        version = versions.get(DocumentKind.ROSTER, 0)
        if self._roster is None or self._roster.version != version:
            chain = await self._documents.chain(DocumentKind.ROSTER)
            believed = self._believed(chain)[-1] if chain else Roster()
            self._roster = _Loaded(len(chain), len(chain), believed)
        if version == 0 and self._deployment.mode is not Mode.DEVELOPMENT:
            raise NothingInForce("no roster is in force; make one active with `interlock approvers apply`")
        return self._roster.document

    async def roster_at(self, at: Moment) -> Roster:
        """The roster that was in force then; empty when none was. Raises NothingInForce."""
        chain = await self._documents.chain(DocumentKind.ROSTER)
        before = [roster for each, roster in zip(chain, self._believed(chain), strict=True) if each.at <= at]
        return before[-1] if before else Roster()

    async def break_glass(self) -> tuple[BreakGlass, ...]:
        """The emergency grants of this deployment that were recorded, whether they still count or not."""
        grants = await self._documents.grants()
        return tuple(grant for grant in grants if grant.deployment == self._deployment.id)

    async def pinned(self, definition: ToolDefinition, at: Moment) -> PinnedTool | None:
        """The accepted definition of this tool; development accepts the first one seen. Raises NothingInForce."""
        name = f"{definition.server}.{definition.name}"
        known = (await self.pins()).get(name)
        if known is not None or self._deployment.mode is not Mode.DEVELOPMENT:
            return known
        address = await self._contents.put(canonical_json(definition.as_published()))
        seen = PinnedTool(pin=definition.pin(), definition=address)
        amendment = Amendment(DocumentKind.PINS, self._deployment.id, name, seen.model_dump(mode="json"))
        return PinnedTool.model_validate(await self._documents.amend(amendment, "first contact", at))

    async def pins(self) -> dict[str, PinnedTool]:
        """`server.tool` -> its accepted definition. Raises NothingInForce."""
        versions = await self._documents.versions()
        self._pins = await self._current(DocumentKind.PINS, self._pins, _PINS.validate_python, versions)
        return self._pins.document if self._pins else {}

    async def _current(
        self, kind: DocumentKind, loaded: _Loaded[T] | None, read: Callable[[JsonValue], T], versions: Versions
    ) -> _Loaded[T] | None:
        version, rosters = versions.get(kind, 0), versions.get(DocumentKind.ROSTER, 0)
        if version == 0:
            return None
        if loaded is not None and (loaded.version, loaded.rosters) == (version, rosters):
            return loaded
        found = await self._documents.in_force(kind)
        assert found is not None  # nothing that was active is ever deleted
        verified_under = await self._check(found)
        try:
            return _Loaded(found.activation.version, verified_under, read(found.content))
        except (ValidationError, PolicyBroken, TypeError) as error:
            what = f"{kind.value} version {found.activation.version}"
            raise NothingInForce(f"{what} is in force and cannot be read: {error}; make another active") from error

    async def _check(self, found: InForce) -> int:
        """The signers were entitled by the roster that was in force when they signed, and no key was revoked since.

        Returns the version of the roster that knows so.
        """
        rosters = await self._documents.chain(DocumentKind.ROSTER)
        believed = self._believed(rosters)
        before = [roster for each, roster in zip(rosters, believed, strict=True) if each.at <= found.at]
        if self._deployment.mode is not Mode.DEVELOPMENT and not before:
            raise NothingInForce(f"{found.activation.kind.value}: no roster was in force when it was made active")
        _refuse_unsigned(found, before[-1] if before else Roster(), self._deployment)
        for endorsement in found.endorsements:
            owner = believed[-1].owner_of_key(endorsement.key_id) if believed else None
            if owner is not None and owner[1].revoked_at is not None:
                raise NothingInForce(
                    f"{found.activation.kind.value} version {found.activation.version} was signed with a key of "
                    f"{endorsement.signer!r} that was revoked since; somebody else must make it active again"
                )
        return len(rosters)

    def _believed(self, chain: tuple[InForce, ...]) -> list[Roster]:
        """Every roster of the chain, each signed under the one before it. Raises NothingInForce."""
        rosters: list[Roster] = []
        for number, found in enumerate(chain, start=1):
            previous = chain[number - 2].activation.digest if number > 1 else ""
            if found.activation.version != number or found.activation.previous != previous:
                raise NothingInForce(f"roster version {number} does not follow the one before it; see `audit verify`")
            try:
                roster = Roster.model_validate(found.content)
            except ValidationError as error:
                raise NothingInForce(f"roster version {number} cannot be read: {error}") from error
            if number == 1 and self._roster_root not in ("", found.activation.digest):
                raise NothingInForce("the first roster is not the one that INTERLOCK_ROSTER_ROOT names")
            _refuse_unsigned(found, rosters[-1] if rosters else roster, self._deployment)
            rosters.append(roster)
        return rosters


def _refuse_unsigned(found: InForce, roster: Roster, deployment: Deployment) -> None:
    activation = found.activation
    what = f"{activation.kind.value} version {activation.version}"
    if activation.deployment != deployment.id:
        raise NothingInForce(f"{what} was made for deployment {activation.deployment!r}, not for {deployment.id!r}")
    role, missing = missing_signatures(activation, found.endorsements, roster, deployment.mode, found.at)
    if missing:
        raise NothingInForce(f"{what} lacks {missing} signature(s) of {role}; nothing it says counts")


async def activate_files(documents: Documents, deployment: Deployment, content: JsonValue, at: Moment) -> None:
    """Development: the rules in the files are the rules in force, unsigned."""
    while True:  # every failed try means that a rival was faster: it ends
        standing = await documents.in_force(DocumentKind.POLICY)
        following = next_activation(DocumentKind.POLICY, deployment.id, standing, content, "the files, in development")
        if standing is not None and standing.activation.digest == following.digest:
            return
        with suppress(Overtaken):
            await documents.activate(following, content, "development", at)
            return
