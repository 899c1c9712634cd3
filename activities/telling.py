"""Who is told what: notices made from a request, an event and the roster. Nothing is sent here."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from pydantic import JsonValue

from activities.conversations import RunKey
from activities.freezes import Standing
from activities.inbox import InboxEntry
from activities.notices import Notice, NoticeEvent
from activities.orphans import Effect
from activities.orphans import Standing as RunStanding
from contracts.authority import OPERATOR, BreakGlass
from contracts.canonical import digest
from contracts.decisions import RequestKind
from contracts.escaping import plain
from contracts.freezing import Freeze, Thaw
from contracts.policy import Obligation
from contracts.roster import Person, Roster

ALERTED = ("roster_admin", "operator")
"""Roles whose holders learn at once that somebody has taken a role in an emergency."""
_LONGEST = 300
_EFFECTS = 20
"""So many are named in a notice."""
_ASKED = (NoticeEvent.REQUEST, NoticeEvent.REMINDER, NoticeEvent.HANDED_ON, NoticeEvent.EXPIRED)
_ANSWERED_TO = (NoticeEvent.DECIDED, NoticeEvent.EXPIRED)
_NO_AUTHORITY = "This message decides nothing and leaves out what is to be decided on; both are with the request."


_KINDS = {
    RequestKind.APPROVAL: "approval",
    RequestKind.ESCALATION: "choice how to go on",
    RequestKind.OUTCOME: "finding out whether a call happened",
}


def notices_of(
    entry: InboxEntry, event: NoticeEvent, roster: Roster, now: datetime, counter: int = 0
) -> tuple[Notice, ...]:
    """One notice for each person who is told and has an address, and one for channels that tell nobody in particular.

    `counter` tells apart events that happen more than once to a request, such as reminders.
    """
    subject, body = _subject(entry, event), _body(entry, event)

    def make(recipient: str, address: str) -> Notice:
        named: dict[str, JsonValue] = {"request": entry.request_id, "first_run_id": entry.first_run_id}
        return Notice(
            id=_id(named | {"event": event.value, "recipient": recipient, "counter": counter}),
            event=event,
            recipient=recipient,
            address=address,
            subject=subject,
            body=body,
            request_id=entry.request_id,
            workflow_id=entry.workflow_id,
            first_run_id=entry.first_run_id,
        )

    return _one_each(_told(entry, event, roster, now), make)


def alarm_of(grant: BreakGlass, roster: Roster, now: datetime) -> tuple[Notice, ...]:
    """That somebody has taken a role in an emergency, to everybody who holds one of ALERTED."""
    subject = f"Interlock: {_shown(grant.subject)} has taken the role {_shown(grant.role)} in an emergency"
    lines = [
        ("Person", _shown(grant.subject)),
        ("Role", _shown(grant.role)),
        ("From", _utc(grant.issued_at)),
        ("Until", _utc(grant.expires_at)),
        ("Reason", _shown(grant.reason)),
        ("Deployment", _shown(grant.deployment)),
    ]
    body = _page(subject, lines, ("If this should not be so, revoke that person's keys: interlock approvers revoke",))

    def make(recipient: str, address: str) -> Notice:
        named: dict[str, JsonValue] = {"grant": grant.nonce, "event": NoticeEvent.BREAK_GLASS.value}
        return Notice(
            id=_id(named | {"recipient": recipient}),
            event=NoticeEvent.BREAK_GLASS,
            recipient=recipient,
            address=address,
            subject=subject,
            body=body,
        )

    return _one_each((person for role in ALERTED for person in roster.with_role(role, now)), make)


def alarm_of_freeze(freeze: Freeze, roster: Roster, now: datetime) -> tuple[Notice, ...]:
    """That somebody has stopped something, to every operator."""
    stopped = Standing(id=freeze.id, scope=freeze.scope, target=freeze.target)
    lines = [("Stopped", f"{stopped.what}: nothing of it is sent"), ("By", _shown(freeze.subject))]
    lines += [("Since", _utc(freeze.issued_at)), ("Reason", _shown(freeze.reason)), ("Freeze", freeze.id)]
    lines.append(("Deployment", _shown(freeze.deployment)))
    subject = f"Interlock: {_shown(freeze.subject)} has frozen {stopped.what}"
    body = _page(subject, lines, (f"To take it back: {stopped.thaw_command}",))
    return _to_operators(freeze.nonce, NoticeEvent.FROZEN, subject, body, roster, now)


def alarm_of_thaw(thaw: Thaw, stopped: Standing, roster: Roster, now: datetime) -> tuple[Notice, ...]:
    """That somebody has taken a freeze back, to every operator."""
    lines = [("Goes on", stopped.what), ("By", _shown(thaw.subject)), ("At", _utc(thaw.issued_at))]
    lines += [("Reason", _shown(thaw.reason)), ("Freeze", stopped.id), ("Deployment", _shown(thaw.deployment))]
    subject = f"Interlock: {_shown(thaw.subject)} has thawed {stopped.what}"
    body = _page(subject, lines, ("What stands is shown by: interlock freeze --list",))
    return _to_operators(thaw.nonce, NoticeEvent.THAWED, subject, body, roster, now)


def _to_operators(
    nonce: str, event: NoticeEvent, subject: str, body: str, roster: Roster, now: datetime
) -> tuple[Notice, ...]:
    def make(recipient: str, address: str) -> Notice:
        named: dict[str, JsonValue] = {"statement": nonce, "event": event.value, "recipient": recipient}
        return Notice(id=_id(named), event=event, recipient=recipient, address=address, subject=subject, body=body)

    return _one_each(roster.with_role(OPERATOR, now), make)


def orphaned_of(
    run: RunKey, standing: RunStanding, effects: tuple[Effect, ...], roster: Roster, now: datetime
) -> tuple[Notice, ...]:
    """That a run is over and nobody knows whether its last effects happened; to operators. None without any."""
    if not effects:
        return ()
    subject = f"Interlock: nobody knows what {_shown(run.workflow_id)} left behind"
    lines = [
        ("Run", _shown(run.workflow_id)),
        ("Ended as", standing.value),
        *(
            ("Sent", f"{_shown(each.server)}.{_shown(each.tool)} at {_utc(each.sent_at)}")
            for each in effects[:_EFFECTS]
        ),
        ("And more", str(len(effects) - _EFFECTS) if len(effects) > _EFFECTS else ""),
    ]
    command = "Look into these systems, then see: interlock runs orphans"
    body = _page(subject, lines, (command, "Nothing is sent again."))
    keys: list[JsonValue] = [each.key for each in effects]

    def make(recipient: str, address: str) -> Notice:
        named: dict[str, JsonValue] = {**run.model_dump(), "effects": keys, "event": NoticeEvent.ORPHANED.value}
        return Notice(
            id=_id(named | {"recipient": recipient}),
            event=NoticeEvent.ORPHANED,
            recipient=recipient,
            address=address,
            subject=subject,
            body=body,
            workflow_id=run.workflow_id,
            first_run_id=run.first_run_id,
        )

    return _one_each(roster.with_role(OPERATOR, now), make)


def _one_each(people: Iterable[Person], make: Callable[[str, str], Notice]) -> tuple[Notice, ...]:
    addresses = {person.subject: person.mail for person in people if person.mail}
    return (*(make(subject, mail) for subject, mail in addresses.items()), make("", ""))


def _told(entry: InboxEntry, event: NoticeEvent, roster: Roster, now: datetime) -> Iterator[Person]:
    if event in _ASKED:
        for obligation in entry.obligations:
            for role in _roles(obligation, event):
                yield from (person for person in roster.with_role(role, now) if _may(person, role, entry, roster, now))
    if event in _ANSWERED_TO:
        requester = roster.person(entry.requester)
        if requester is not None and not roster.is_absent(requester.subject, now):
            yield requester


def _roles(obligation: Obligation, event: NoticeEvent) -> tuple[str, ...]:
    """Handed on: the next role is asked. Whoever was asked before has been."""
    if event is NoticeEvent.HANDED_ON:
        return (obligation.hand_on_to,) if obligation.hand_on_to else ()
    return (obligation.role,)


def _may(person: Person, role: str, entry: InboxEntry, roster: Roster, now: datetime) -> bool:
    """Whether the person could decide: neither they nor whoever lent them the role has asked for it or owns it."""
    excluded = {roster.subject_of(entry.requester)}
    if entry.kind is RequestKind.APPROVAL:
        excluded |= {roster.subject_of(owner) for owner in roster.owners.get(entry.automation, ())}
    held = roster.holdings(person.subject, now)
    return any(each.role == role and not excluded & {person.subject, *each.chain} for each in held)


def _subject(entry: InboxEntry, event: NoticeEvent) -> str:
    match event:
        case NoticeEvent.REQUEST:
            what = "wanted"
        case NoticeEvent.REMINDER:
            what = "still wanted"
        case NoticeEvent.HANDED_ON:
            next_roles = {_shown(each.hand_on_to): None for each in entry.obligations if each.hand_on_to}
            what = f"handed on to {', '.join(next_roles)}"
        case NoticeEvent.EXPIRED:
            what = "request expired"
        case NoticeEvent.DECIDED:
            what = f"request {_shown(entry.outcome)}"
        case NoticeEvent.BREAK_GLASS:
            what = "given in an emergency"
        case NoticeEvent.FROZEN | NoticeEvent.THAWED:
            what = event.value
        case NoticeEvent.ORPHANED:
            what = "left behind"
    return f"Interlock: {_kind(entry)} {what}: {_shown(entry.request_id)}"


def _body(entry: InboxEntry, event: NoticeEvent) -> str:
    lines = [
        ("Request", f"{_shown(entry.request_id)} ({_kind(entry)})"),
        ("Run", _shown(entry.workflow_id)),
        ("Automation", _shown(entry.automation)),
        ("State", _shown(entry.state)),
    ]
    if event is NoticeEvent.DECIDED:
        lines += [("Outcome", _shown(entry.outcome)), ("By", _shown(entry.by))]
    else:
        lines += [("May decide", _entitled(each)) for each in entry.obligations]
        lines.append(("Until", _utc(entry.deadline) if entry.deadline else "no deadline: it waits for an answer"))
    command = f"interlock approvals show {shlex.quote(_shown(entry.request_id))}"
    return _page(_subject(entry, event), lines, (f"Read it: {command}", _NO_AUTHORITY))


def _page(heading: str, lines: Iterable[tuple[str, str]], below: Iterable[str]) -> str:
    facts = [f"{label + ':':<12} {text}" for label, text in lines if text]
    return "\n".join([heading, "", *facts, *(line for each in below for line in ("", each)), ""])


def _kind(entry: InboxEntry) -> str:
    return _KINDS[entry.kind]


def _entitled(obligation: Obligation) -> str:
    people = f"{obligation.quorum} people" if obligation.quorum > 1 else "one person"
    handed_on = f", later also {_shown(obligation.hand_on_to)}" if obligation.hand_on_to else ""
    return f"{people} with the role {_shown(obligation.role)}{handed_on} (rule {_shown(obligation.rule_id)})"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _shown(text: str) -> str:
    return plain(text, _LONGEST)


def _id(named: dict[str, JsonValue]) -> str:
    return f"n-{digest(named).removeprefix('sha256:')[:32]}"
