"""Who may decide a request: by role, own or lent, and never whoever asked, speaks for the asker, or owns the work."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from activities.inbox import InboxEntry
from contracts.authority import LONGEST_BREAK_GLASS, BreakGlass
from contracts.decisions import Check, RequestKind
from contracts.deployment import Deployment, Mode
from contracts.policy import Obligation
from contracts.roster import Holding, Roster
from contracts.runs import StartStatement
from contracts.signing import SignedFor, is_signed_by


@dataclass(frozen=True)
class NotEntitled:
    """The check that keeps a person from deciding, and why."""

    check: Check
    sentence: str


def everybody_decides(deployment: Deployment, roster: Roster) -> bool:
    """Development without a roster: everybody holds every role, but nobody decides what they asked for."""
    return deployment.mode is Mode.DEVELOPMENT and not roster.people


def entitled(
    roster: Roster,
    request: InboxEntry,
    start: StartStatement,
    subject: str,
    now: datetime,
    freely: bool = False,
    grants: tuple[BreakGlass, ...] = (),
    decided_at: datetime | None = None,
) -> NotEntitled | None:
    """Why `subject` may not decide `request` at `now`; None when they may. `freely`: see `everybody_decides`.

    `decided_at`: when their decision was taken, by the store's word; an absence that began since takes nothing back.
    """
    subject = roster.subject_of(subject)
    if not freely and (unknown := _no_person(roster, subject, now)):
        return unknown
    if subject in _askers(roster, start):
        return NotEntitled(
            Check.SELF_APPROVAL, f"{subject!r} asked for this run and may not decide on it; somebody else must"
        )
    if request.kind is RequestKind.APPROVAL and (owned := _owned_by(roster, request, start, subject)):
        return NotEntitled(Check.OWNER, f"{subject!r} owns the automation {owned!r} and may not approve what it does")
    if freely:
        return None
    if absent := _absent(roster, subject, decided_at or now):
        return absent
    if any(True for _ in holdings_of(roster, request, start, subject, now, grants)):
        return None
    return NotEntitled(Check.ROLE, _no_role(roster, request, start, subject, now, grants))


def unable(roster: Roster, subject: str, now: datetime) -> NotEntitled | None:
    """Why `subject` may decide nothing whatever at `now`; None when they may decide something."""
    return _no_person(roster, subject, now) or _absent(roster, subject, now)


def holdings_of(
    roster: Roster,
    request: InboxEntry,
    start: StartStatement,
    subject: str,
    now: datetime,
    grants: tuple[BreakGlass, ...] = (),
) -> Iterator[tuple[str, Holding]]:
    """Demanded role -> each way in which `subject` may fulfil it at `now`.

    Never with the help of somebody who is excluded; and a role taken in an emergency fills no place of a quorum.
    """
    excluded = excluded_people(roster, request, start)
    held = roles_held(roster, subject, now, grants)
    for obligation in request.obligations:
        for holding in held:
            if holding.role not in roles_taken(request, obligation, now) or excluded & {subject, *holding.chain}:
                continue
            if not (holding.break_glass and _demanded(request, obligation.role) > 1):
                yield obligation.role, holding


def roles_taken(request: InboxEntry, obligation: Obligation, now: datetime) -> frozenset[str]:
    """The roles that fulfil an obligation at `now`: once handed on for its rule, the next one as well."""
    due = request.hand_ons.get(obligation.rule_id)
    handed_on = request.handed_on_at is not None and due is not None and max(request.handed_on_at, due) <= now
    return frozenset({obligation.role, obligation.hand_on_to} if handed_on else {obligation.role}) - {""}


def excluded_people(roster: Roster, request: InboxEntry, start: StartStatement) -> frozenset[str]:
    """Who may not decide: whoever asked and everybody asked for; of an approval, the automation's owners too.

    Of a child run also the owners of every automation around it.
    """
    if request.kind is not RequestKind.APPROVAL:
        return _askers(roster, start)
    return _askers(roster, start).union(*(_owners(roster, name) for name in _automations(request, start)))


def roles_held(roster: Roster, subject: str, now: datetime, grants: tuple[BreakGlass, ...]) -> tuple[Holding, ...]:
    """Every way in which a person holds a role at `now`; a service decides nothing, nor does anybody in its name."""
    services = {person.subject for person in roster.people if person.service}
    held = (holding for holding in roster.holdings(subject, now) if not services & {subject, *holding.chain})
    return (*held, *_emergency(roster, grants, subject, now))


def _no_person(roster: Roster, subject: str, now: datetime) -> NotEntitled | None:
    person = roster.person(subject)
    if person is None:
        return NotEntitled(Check.PERSON, f"{subject!r} is nobody of the roster; see `interlock approvers list`")
    if person.service:
        return NotEntitled(Check.PERSON, f"{subject!r} is a service; people decide")
    problem = person.problem_at(now)
    return NotEntitled(Check.PERSON, problem) if problem else None


def _absent(roster: Roster, subject: str, now: datetime) -> NotEntitled | None:
    absence = roster.is_absent(subject, now)
    if absence is None:
        return None
    until = f"{absence.valid_until:%Y-%m-%d %H:%M} UTC"
    return NotEntitled(Check.ABSENT, f"{subject!r} is recorded as absent until {until}; end the absence first")


def _askers(roster: Roster, start: StartStatement) -> frozenset[str]:
    names = (start.requester, *start.on_behalf_of, *([start.signer] if start.signer else []))
    return frozenset(map(roster.subject_of, names))


def _owners(roster: Roster, automation: str) -> frozenset[str]:
    return frozenset(map(roster.subject_of, roster.owners.get(automation, ())))


def _automations(request: InboxEntry, start: StartStatement) -> tuple[str, ...]:
    """The run's own, and those of the runs around it."""
    return (request.automation, *(each.automation for each in start.inside))


def _owned_by(roster: Roster, request: InboxEntry, start: StartStatement, subject: str) -> str:
    """The automation among them that this person owns; empty when they own none."""
    owned = (name for name in _automations(request, start) if subject in _owners(roster, name))
    return next(owned, "")


def _demanded(request: InboxEntry, role: str) -> int:
    return max(obligation.quorum for obligation in request.obligations if obligation.role == role)


def _emergency(roster: Roster, grants: tuple[BreakGlass, ...], subject: str, now: datetime) -> Iterator[Holding]:
    """Roles taken in an emergency: listed for this person, short, signed with a key of theirs that counts now."""
    for grant in grants:
        found = roster.owner_of_key(grant.key_id)
        if found is None or found[0].subject != subject or grant.subject != subject:
            continue
        person, key = found
        timely = grant.issued_at <= now < grant.expires_at <= grant.issued_at + LONGEST_BREAK_GLASS
        genuine = is_signed_by(key.public, SignedFor.BREAK_GLASS, grant, grant.signature or "")
        counts = not (person.service or person.problem_at(now) or key.problem_at(now))
        if timely and genuine and counts and grant.role in person.break_glass:
            yield Holding(role=grant.role, break_glass=True)


def _no_role(
    roster: Roster,
    request: InboxEntry,
    start: StartStatement,
    subject: str,
    now: datetime,
    grants: tuple[BreakGlass, ...],
) -> str:
    taken = [roles_taken(request, obligation, now) for obligation in request.obligations]
    later = {obligation.hand_on_to for obligation in request.obligations} - {""}
    held = roles_held(roster, subject, now, grants)
    excluded = excluded_people(roster, request, start)
    for holding in held:
        if not any(holding.role in roles for roles in taken):
            continue
        if barred := sorted(excluded & set(holding.chain)):
            return f"{subject!r} holds {holding.role} only from {barred[0]!r}, who may not decide this"
        if holding.break_glass:
            return f"{subject!r} holds {holding.role} in an emergency only, and that fills no place of a quorum"
    for holding in held:
        if holding.role in later:
            return f"{subject!r} may decide as {holding.role} once the request is handed on, not before"
    wanted = " or ".join(dict.fromkeys(obligation.role for obligation in request.obligations))
    own = ", ".join(dict.fromkeys(holding.role for holding in held)) or "no role"
    return f"{subject!r} holds {own} and cannot decide as {wanted}"
