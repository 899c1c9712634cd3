"""What `interlock doctor` says of the store: who rules in it, what is frozen, is its audit chain signed, is it full."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from activities.authority import NothingInForce
from contracts.audit import StreamHead
from contracts.authority import ACTIVATED_BY, DocumentKind, InForce
from contracts.deployment import Deployment, Mode
from contracts.model import Model
from contracts.roster import Roster
from workers.auditing import checkpoint_file
from workers.resources.authority import StoredAuthority
from workers.resources.checkpoint_file import CheckpointsUnusable, last_checkpoint
from workers.resources.checkpoints import is_overdue
from workers.resources.freezes import StoredFreezes
from workers.resources.store import Store
from workers.settings import Settings

LOOKED_BACK: Final = timedelta(days=3)
SOON: Final = timedelta(days=30)
ORPHANS_COUNTED: Final = 1000
_MAKE: Final = {
    DocumentKind.ROSTER: "interlock approvers apply --as NAME --reason WHY",
    DocumentKind.POLICY: "interlock policy activate --as NAME --reason WHY",
    DocumentKind.PINS: "interlock tools pin --all --as NAME --reason WHY",
}
_MIGRATES = "start a worker, it migrates the store"


class Check(Model):
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    """What is so; when it is not well, also what to do."""


async def store_checks(store: Store, settings: Settings, now: datetime) -> list[Check]:
    """Look only: nothing is migrated, put in force or signed."""
    looks: dict[str, Callable[[], Awaitable[Check]]] = {
        "roster": lambda: _roster(store, settings, now),
        "policy": lambda: _document(store, settings, DocumentKind.POLICY),
        "pins": lambda: _document(store, settings, DocumentKind.PINS),
        "freezes": lambda: _freezes(store, settings),
        "checkpoints": lambda: _checkpoints(store, settings, now),
        "notices": lambda: _notices(store, now),
        "orphans": lambda: _orphans(store),
        "load": lambda: _load(store, settings),
    }
    return [await _tried(name, look) for name, look in looks.items()]


async def _tried(name: str, look: Callable[[], Awaitable[Check]]) -> Check:
    try:
        return await look()
    except (NothingInForce, CheckpointsUnusable) as problem:
        return Check(name=name, ok=False, found=str(problem))
    except Exception as error:  # noqa: BLE001 - such as a store that no worker of this version has migrated yet
        return Check(name=name, ok=False, found=f"{type(error).__name__}: {error}; {_MIGRATES}")


async def _roster(store: Store, settings: Settings, now: datetime) -> Check:
    found = await store.documents.in_force(DocumentKind.ROSTER)
    if found is None:
        return _none(DocumentKind.ROSTER, settings)
    roster = await _authority(store, settings).roster()
    told = f"{_version(found)}; {len(roster.people)} enrolled"
    proposed = await _proposed(store, DocumentKind.ROSTER)
    lacking = "; ".join(_lacking(roster, now)) if settings.mode is Mode.PRODUCTION else ""
    if lacking:
        return Check(name="roster", ok=False, found=f"{told}; {lacking}")
    return Check(name="roster", ok=True, found="; ".join([told, *_ending(roster, now), *proposed]))


def _lacking(roster: Roster, now: datetime) -> Iterator[str]:
    """For what nobody, or too few, can sign."""
    for role, needed in sorted(set(ACTIVATED_BY.values())):
        people = [person for person in roster.with_role(role, now) if any(not k.problem_at(now) for k in person.keys)]
        if len(people) < needed:
            kinds = " and ".join(kind.value for kind, by in ACTIVATED_BY.items() if by == (role, needed))
            yield f"{len(people)} {role} can sign and {needed} must, so {kinds} cannot be changed: enrol another"


def _ending(roster: Roster, now: datetime) -> Iterator[str]:
    """Keys that soon count no more."""
    for person in roster.people:
        counting = [key.valid_until for key in person.keys if not key.problem_at(now)]
        if counting and max(counting) < now + SOON:
            yield f"the key of {person.subject} ends on {max(counting):%Y-%m-%d}: enrol them anew"


async def _document(store: Store, settings: Settings, kind: DocumentKind) -> Check:
    found = await store.documents.in_force(kind)
    if found is None:
        return _none(kind, settings)
    authority = _authority(store, settings)
    holds = [f"{len(await authority.pins())} tools"] if kind is DocumentKind.PINS else []
    if kind is DocumentKind.POLICY:
        await authority.policy()
    told = "; ".join([_version(found), *holds, *await _proposed(store, kind)])
    return Check(name=kind.value, ok=True, found=told)


def _none(kind: DocumentKind, settings: Settings) -> Check:
    if settings.mode is Mode.DEVELOPMENT:
        return Check(name=kind.value, ok=True, found="none in force, which development permits")
    return Check(name=kind.value, ok=False, found=f"none in force, so nothing has an effect; {_MAKE[kind]}")


def _version(found: InForce) -> str:
    signers = ", ".join(each.signer for each in found.endorsements) or "nobody"
    return f"version {found.activation.version} since {found.at:%Y-%m-%d %H:%M} UTC, signed by {signers}"


async def _proposed(store: Store, kind: DocumentKind) -> list[str]:
    waiting = await store.documents.proposals(kind)
    return [f"{len(waiting)} proposed as the next version, waiting for signatures"] * bool(waiting)


def _authority(store: Store, settings: Settings) -> StoredAuthority:
    return StoredAuthority(store.documents, store.contents, _deployment(settings), settings.roster_root)


def _deployment(settings: Settings) -> Deployment:
    """No document and no freeze names a namespace."""
    return Deployment(id=settings.deployment, namespace="", mode=settings.mode)


async def _freezes(store: Store, settings: Settings) -> Check:
    freezes = StoredFreezes(store.freezes, _authority(store, settings), _deployment(settings))
    told = [f"{each.sentence()}; to go on: {each.thaw_command}" for each in await freezes.standing()]
    return Check(name="freezes", ok=not told, found="; ".join(told) or "nothing is frozen")


async def _checkpoints(store: Store, settings: Settings, now: datetime) -> Check:
    file = checkpoint_file(settings)
    if not file.exists() and settings.audit_checkpoints is None and settings.mode is Mode.PRODUCTION:
        told = "none here; where workers append them, set INTERLOCK_AUDIT_CHECKPOINTS and look again"
        return Check(name="checkpoints", ok=True, found=told)
    last = last_checkpoint(file) if file.exists() else None
    newest = store.audit.newest_now() or now
    uncovered = _records(store.audit.heads_now()) - (_records(last.heads) if last else 0)
    told = f"number {last.number} of {last.at:%Y-%m-%d %H:%M:%S} UTC" if last else "there is none"
    told = f"{told} in {file}, {uncovered} records since"
    if uncovered < 0:
        found = f"{told}: the store lacks what was signed; run `interlock audit verify`"
        return Check(name="checkpoints", ok=False, found=found)
    if is_overdue(uncovered, newest, now):
        found = f"{told}: overdue; see that a worker runs, and what it logs as `checkpoint_not_taken`"
        return Check(name="checkpoints", ok=False, found=found)
    return Check(name="checkpoints", ok=True, found=told)


def _records(heads: Mapping[str, StreamHead]) -> int:
    return sum(head.seq for head in heads.values())


async def _notices(store: Store, now: datetime) -> Check:
    lost = await store.outbox.undeliverable_since(now - LOOKED_BACK)
    if not lost:
        return Check(name="notices", ok=True, found=f"none undeliverable within {LOOKED_BACK.days} days")
    last = await store.outbox.undeliverable(1)
    found = f"{lost} undeliverable within {LOOKED_BACK.days} days, the last: {last[0].last_problem}"
    return Check(name="notices", ok=False, found=f"{found}; see `interlock notices list`")


async def _orphans(store: Store) -> Check:
    """Runs that ended without settling what they left, and effects of which nobody knows."""
    found = await store.orphans.orphans(ORPHANS_COUNTED)
    effects = sum(len(orphan.without_verdict) for orphan in found)
    counted = f"{len(found)} or more" if len(found) == ORPHANS_COUNTED else str(len(found))
    told = f"{counted} runs were terminated, deleted or failed, with {effects} effects of which nobody knows"
    if effects:
        return Check(name="orphans", ok=False, found=f"{told}; see `interlock runs orphans`")
    return Check(name="orphans", ok=True, found=told if found else "no run has left anything behind")


async def _load(store: Store, settings: Settings) -> Check:
    load, most = await store.starts.load(), settings.most_active_runs
    told = f"{load.active} runs are active{f' of at most {most}' if most else ''}, {load.waiting} wait for people"
    if most and load.active >= most:
        found = f"{told}; new ones are refused until some have ended; more at once: INTERLOCK_MOST_ACTIVE_RUNS"
        return Check(name="load", ok=False, found=found)
    return Check(name="load", ok=True, found=told)
