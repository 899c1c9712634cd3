"""Does a freeze, or the thaw of one, come from somebody who may: one answer for commands and gate."""

from datetime import datetime, timedelta

from activities.entitlement import roles_held
from contracts.authority import OPERATOR, BreakGlass
from contracts.deployment import Deployment, Mode
from contracts.freezing import Freeze, Thaw
from contracts.model import Model
from contracts.roster import Roster
from contracts.signing import SignedFor, is_signed_by

CLOCKS_DIFFER = timedelta(minutes=5)


class Then(Model):
    """What was in force when a freeze or a thaw was recorded."""

    roster: Roster
    grants: tuple[BreakGlass, ...] = ()
    """Of every time; each says when it counts."""
    at: datetime


def problem_with_freeze(freeze: Freeze, then: Then, deployment: Deployment) -> str:
    """Why it is not known that its subject has frozen this; empty when it is. It stands either way."""
    if freeze.deployment != deployment.id:
        return f"it names deployment {freeze.deployment!r}"
    return "" if deployment.mode is Mode.DEVELOPMENT else _problem(freeze, SignedFor.FREEZE, then)


def problem_with_thaw(thaw: Thaw, nonce: str, frozen_at: datetime | None, then: Then, deployment: Deployment) -> str:
    """Why a thaw does not take back the freeze with this nonce; empty when it does.

    Whoever has signed it must have been entitled when they say so and when it was recorded. Development signs nothing.
    """
    if thaw.freeze != nonce:
        return "it takes back another freeze"
    if thaw.deployment != deployment.id:
        return f"it was made for deployment {thaw.deployment!r}"
    if frozen_at is not None and min(thaw.issued_at, then.at) < frozen_at - CLOCKS_DIFFER:
        return "it is older than the freeze"
    return "" if deployment.mode is Mode.DEVELOPMENT else _problem(thaw, SignedFor.THAW, then)


def revoked_since(statement: Freeze | Thaw, roster: Roster) -> str:
    """That the key under a statement was revoked by the roster in force now; empty when it was not."""
    found = roster.owner_of_key(statement.key_id) if statement.key_id else None
    if found is None or found[1].revoked_at is None:
        return ""
    return f"it was signed with a key of {found[0].subject!r} that was revoked since"


def may_stop(roster: Roster, grants: tuple[BreakGlass, ...], subject: str, at: datetime) -> bool:
    """Whether somebody may freeze and thaw: they hold the role `operator`, if only in an emergency."""
    return any(held.role == OPERATOR for held in roles_held(roster, subject, at, grants))


def _problem(statement: Freeze | Thaw, purpose: SignedFor, then: Then) -> str:
    if not statement.signature:
        return "nobody has signed it"
    found = then.roster.owner_of_key(statement.key_id)
    if found is None:
        return f"key {statement.key_id!r} is nobody's in the roster of that time"
    person, key = found
    if person.subject != statement.subject or person.service:
        return f"key {statement.key_id!r} is not {statement.subject!r}'s"
    for moment in (statement.issued_at, then.at):
        if problem := key.problem_at(moment) or person.problem_at(moment):
            return problem
        if not may_stop(then.roster, then.grants, person.subject, moment):
            return f"{person.subject!r} did not hold the role {OPERATOR!r}"
    if not is_signed_by(key.public, purpose, statement, statement.signature):
        return f"the signature of {person.subject!r} is not genuine"
    return ""
