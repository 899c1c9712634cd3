"""A request as a person reads it before deciding: the whole context, and nothing that could pass for something else."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from activities.candidates import Candidate
from activities.entitlement import roles_taken
from activities.inbox import InboxEntry
from activities.reads import ShownRequest
from cli.outside import apart, arguments_apart, as_argument, fitted, labelled
from cli.printing import local_time, time_left
from contracts.decisions import RequestKind, Verdict
from contracts.policy import Obligation

MEANING: Final = {
    Verdict.APPROVE: "exactly what is shown may happen",
    Verdict.REJECT: "it does not happen; the run ends, or goes on without it",
    Verdict.RETURN: "it does not happen; the run goes back with your note, and may ask anew",
    Verdict.RETRY: "the failed step is tried again",
    Verdict.SUPPLY: "the run goes on with the value that you supply",
    Verdict.SKIP: "the run goes on without the failed step",
    Verdict.TAKE_OVER: "it was done by hand; the run goes on",
    Verdict.EXTEND: "the run may spend more, by as much again or by what you say with --by, and goes on",
    Verdict.ABANDON: "what was done is undone, and the run ends",
    Verdict.HAPPENED: "the call did happen, and your note says how you know; the run goes on",
    Verdict.DID_NOT_HAPPEN: "the call did not happen; it is ruled on anew, and made if that permits it",
}
_TAINTS = {"private": "private data", "untrusted": "content that anybody could have written"}
_LEADS = re.compile(r"goes on in [a-z_]{1,60}")


def lines_of(request: ShownRequest, full: bool = False) -> Iterator[str]:
    """Everything, one fact per line; lines that begin with `| ` are quoted from outside."""
    for line in _lines(request, full):
        yield from fitted(line)


def roles(entry: InboxEntry) -> str:
    """Who must decide, in words: `2 of support_lead and finance_manager`. Of one role the largest number counts."""
    most: dict[str, Obligation] = {}
    for obligation in entry.obligations:
        if obligation.role not in most or most[obligation.role].quorum < obligation.quorum:
            most[obligation.role] = obligation
    return " and ".join(_role(obligation, _is_handed_on(entry, obligation)) for obligation in most.values())


def command_of(verdict: Verdict) -> str:
    """The verdict as a command."""
    return verdict.value.replace("_", "-")


def _lines(request: ShownRequest, full: bool) -> Iterator[str]:
    entry = request.entry
    yield from labelled("request", entry.request_id)
    yield "asks:"
    yield from apart(entry.title, full)
    yield f"kind: {entry.kind.value}"
    yield from labelled("run", entry.workflow_id)
    yield from labelled("automation", entry.automation)
    yield from labelled("state", entry.state)
    yield from labelled("requester", entry.requester)
    if around := request.shown.get("inside"):
        yield from labelled("inside the run", str(around))
    context = list(_context(request.shown))
    if context:
        yield "the run says:"
    for label, text in context:
        yield from apart(text, full, label=label)
    yield from _action(request.shown, full)
    yield from _sent(request.shown)
    if request.taint:
        yield f"taint: the run has read {' and '.join(_TAINTS.get(taint, taint) for taint in request.taint)}"
    yield from _rules(request, full)
    if entry.closed_at is None:
        yield from _people(request)
    yield from _times(entry)
    yield f"digests: action {entry.action_digest[:19]}, shown {entry.display_digest[:19]}"
    yield from _ending(entry) if entry.closed_at is not None else _answers(request)


def _is_handed_on(entry: InboxEntry, obligation: Obligation) -> bool:
    return obligation.hand_on_to in roles_taken(entry, obligation, datetime.now(UTC))


def _role(obligation: Obligation, handed_on: bool) -> str:
    role = f"{obligation.role} or {obligation.hand_on_to}" if handed_on and obligation.hand_on_to else obligation.role
    return f"{obligation.quorum} of {role}" if obligation.quorum > 1 else role


def _context(shown: dict[str, JsonValue]) -> Iterator[tuple[str, str]]:
    asked = shown.get("request")
    context = asked.get("context") if isinstance(asked, dict) else None
    for line in context if isinstance(context, list) else ():
        if isinstance(line, dict):
            yield str(line.get("label")), str(line.get("text"))


def _action(shown: dict[str, JsonValue], full: bool) -> Iterator[str]:
    """The exact call, as policy saw it and the gate will send it."""
    text = shown.get("action")
    if not isinstance(text, str) or not text:
        return
    action = json.loads(text)
    yield from labelled("action", f"{action.get('server')}.{action.get('tool')}")
    yield "arguments:"
    yield from arguments_apart(action.get("arguments"), full)


def _sent(shown: dict[str, JsonValue]) -> Iterator[str]:
    """Of a call without an answer: what to look for, and where."""
    sent = shown.get("sent")
    if not isinstance(sent, dict):
        return
    times, first, last = sent.get("sends"), sent.get("first_sent_at"), sent.get("last_sent_at")
    yield f"sent: {'once' if times == 1 else f'{times} times'}, at {first}" + (f", last at {last}" * (last != first))
    yield from labelled("our reference", str(sent.get("key")))
    yield f"effect class: {sent.get('effect_class')}"
    if sent.get("lookups"):
        yield f"looked up: {sent.get('lookups')} times since, and not found"


def _rules(request: ShownRequest, full: bool) -> Iterator[str]:
    for obligation in request.entry.obligations if request.entry.kind is RequestKind.APPROVAL else ():
        yield f"rule: {obligation.rule_id} asks for {_role(obligation, handed_on=False)}"
        if text := request.rules.get(obligation.rule_id):
            yield from apart(text, full)


def _people(request: ShownRequest) -> Iterator[str]:
    yield f"who may decide: {roles(request.entry)}"
    for candidate in request.candidates:
        yield f"  {_candidate(candidate)}"
    if request.problem:
        yield f"  cannot be told by name: {request.problem}"
    elif request.anybody:
        yield "  anybody but whoever asked: development mode, without a roster"
    elif not any(candidate.absent_until is None for candidate in request.candidates):
        yield "  nobody at this moment; see `interlock approvers list`"
    if request.approved_by:
        yield f"approved so far: {', '.join(request.approved_by)}"
    for who, note in request.notes:
        yield from apart(note, full=True, label=f"note of {who}")


def _candidate(candidate: Candidate) -> str:
    name = f"{candidate.name} ({candidate.subject})" if candidate.name else candidate.subject
    away = f", away until {_moment(candidate.absent_until)}" if candidate.absent_until else ""
    return f"{name} as {' or '.join(candidate.roles)}{away}"


def _times(entry: InboxEntry) -> Iterator[str]:
    yield f"asked: {_moment(entry.opened_at)}"
    if entry.closed_at is not None:
        return
    next_roles = ", ".join(dict.fromkeys(one.hand_on_to for one in entry.obligations if one.hand_on_to))
    if entry.remind_at:
        yield f"reminder: {_moment(entry.remind_at)}"
    if entry.handed_on_at:
        yield f"handed on: {_moment(entry.handed_on_at)} to {next_roles}"
    elif entry.hand_on_at:
        yield f"handing on: {_moment(entry.hand_on_at)} to {next_roles}"
    if entry.deadline:
        yield f"until: {_moment(entry.deadline)}, {time_left(entry.deadline)}"
        for calendar in dict.fromkeys(one.calendar for one in entry.obligations if one.calendar):
            yield f"  counted in the working time of calendar {calendar!r}"
    else:
        yield "until: somebody answers"
    yield f"if nobody decides: {_unanswered(entry)}"


def _unanswered(entry: InboxEntry) -> str:
    if entry.options == (Verdict.ABANDON,):
        return "what may be stopped goes on"
    if entry.kind is not RequestKind.APPROVAL:
        return "the run goes on waiting, and asks again"
    return "the request expires, and what it asks for does not happen"


def _ending(entry: InboxEntry) -> Iterator[str]:
    yield f"closed: {entry.outcome}{f' by {entry.by}' if entry.by else ''} at {local_time(entry.closed_at)}"


def _answers(request: ShownRequest) -> Iterator[str]:
    leads = {label: f"; it {text}" for label, text in _context(request.shown) if _LEADS.fullmatch(text)}
    yield "answers:"
    for option in request.entry.options:
        yield f"  {command_of(option)}: {MEANING[option]}{leads.get(f'option {option.value}', '')}"
    commands = ", ".join(command_of(option) for option in request.entry.options)
    yield f"next: interlock approvals ANSWER {as_argument(request.entry.request_id)} --as YOU; ANSWER is {commands}"


def _moment(moment: datetime) -> str:
    """In the reader's time zone, and in UTC as everybody else has it."""
    local, utc = local_time(moment), f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return local if local == utc else f"{local} ({utc})"
