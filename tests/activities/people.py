"""People, requests and start records for tests of who may decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.inbox import InboxEntry
from contracts.authority import BreakGlass
from contracts.canonical import digest
from contracts.decisions import APPROVAL_VERDICTS, RequestKind
from contracts.policy import Obligation
from contracts.roster import Absence, Delegation, Person, PublicKey, Roster
from contracts.runs import StartStatement
from contracts.signing import SignedFor, key_id_of, public_half, sign

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
YEAR = timedelta(days=365)
DIGEST = digest(b"something")


def person(subject: str, *roles: str, **more: Any) -> Person:
    """Somebody with roles."""
    return Person(subject=subject, roles=roles, **more)


def roster(*people: Person, **more: Any) -> Roster:
    """These people and nobody else."""
    return Roster(people=people, **more)


def lends(delegator: str, delegate: str, *roles: str) -> Delegation:
    """For the hour around noon."""
    return Delegation(
        delegator=delegator,
        delegate=delegate,
        roles=roles,
        valid_from=NOON - HOUR,
        valid_until=NOON + HOUR,
        reason="holidays",
    )


def away(subject: str) -> Absence:
    """For the hour around noon."""
    return Absence(subject=subject, valid_from=NOON - HOUR, valid_until=NOON + HOUR)


def demands(role: str = "finance_manager", quorum: int = 1, **more: Any) -> Obligation:
    """An obligation."""
    return Obligation(role=role, quorum=quorum, within=48 * HOUR, rule_id=f"{role}-must", **more)


def asks(*obligations: Obligation, number: int = 1, **changes: Any) -> InboxEntry:
    """A request to approve what the automation `refund` would do."""
    run = changes.pop("workflow_id", "refund/A-17")
    entry = InboxEntry(
        request_id=f"{run}#{number}",
        kind=RequestKind.APPROVAL,
        automation="refund",
        workflow_id=run,
        first_run_id=f"first of {run}",
        state="awaiting_approval",
        title="Credit 640.00 EUR for order A-17?",
        action_digest=DIGEST,
        display_digest=DIGEST,
        obligations=obligations or (demands(),),
        options=APPROVAL_VERDICTS,
        requester="rita",
        opened_at=NOON - HOUR,
        deadline=NOON + 47 * HOUR,
    )
    return entry.model_copy(update=changes)


def started(requester: str = "rita", *on_behalf_of: str, **changes: Any) -> StartStatement:
    """Who asked for the run."""
    start = StartStatement(
        requester=requester,
        automation="refund",
        business_key="A-17",
        input_digest=DIGEST,
        issued_at=NOON - HOUR,
        on_behalf_of=on_behalf_of,
    )
    return start.model_copy(update=changes)


def public_key(key: Ed25519PrivateKey, **changes: Any) -> PublicKey:
    """As it stands in a roster."""
    public = public_half(key)
    named = {"key_id": key_id_of(public), "public": public, "valid_from": NOON - YEAR, "valid_until": NOON + YEAR}
    return PublicKey.model_validate(named | changes)


def emergency(key: Ed25519PrivateKey, subject: str, role: str = "finance_manager", **changes: Any) -> BreakGlass:
    """A role taken from a minute before noon for an hour, signed."""
    grant = BreakGlass(
        deployment="here",
        subject=subject,
        role=role,
        reason="the night shift is alone",
        key_id=key_id_of(public_half(key)),
        nonce="n" * 20,
        issued_at=NOON - timedelta(minutes=1),
        expires_at=NOON + timedelta(minutes=59),
    ).model_copy(update=changes)
    return grant.model_copy(update={"signature": sign(key, SignedFor.BREAK_GLASS, grant)})
