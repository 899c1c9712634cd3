"""Verify a decision: for this deployment, run, request and action, genuinely signed, in time, by somebody entitled.

The same checks are made when a decision arrives and again at the gate, each time with what is in force at that moment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.conversations import RunKey
from activities.entitlement import entitled, everybody_decides
from activities.inbox import InboxEntry
from contracts.authority import BreakGlass
from contracts.decisions import APPROVED, Check, Decision
from contracts.deployment import Deployment, Mode
from contracts.roster import Person, PublicKey, Roster
from contracts.runs import StartStatement
from contracts.signing import SignedFor, is_signed_by

SKEW = timedelta(seconds=60)


@dataclass(frozen=True)
class Circumstances:
    """Everything a decision is held against, as it is now."""

    deployment: Deployment
    roster: Roster
    grants: tuple[BreakGlass, ...]
    run: RunKey
    start: StartStatement | None
    request: InboxEntry | None
    """The request of exactly this run that the decision names; None when there is none."""
    action_digest: str
    """Of what is about to be done, or of the open request."""
    now: datetime
    taken_at: datetime | None = None
    """When the decision arrived and was taken; None when it arrives now, or never did."""
    closes_at: datetime | None = None
    """When policy, as it is now, takes no decision on the request any more, whatever the request itself says."""

    @property
    def freely(self) -> bool:
        """See `everybody_decides`."""
        return everybody_decides(self.deployment, self.roster)


@dataclass(frozen=True)
class Problem:
    """Why a decision does not count."""

    check: Check
    sentence: str


def problem_with(decision: Decision, about: Circumstances) -> Problem | None:
    """The first check that `decision` does not pass, with a sentence an approver understands; None when it counts."""
    for check, says in CHECKS.items():
        if sentence := says(decision, about):
            return Problem(check, sentence[:300])
    return None


def problem_on_sight(decision: Decision, deployment: Deployment, roster: Roster, now: datetime) -> Problem | None:
    """What can be said of a decision by itself, wherever it was sent: is it genuine?"""
    nothing = RunKey(workflow_id="", first_run_id="")
    about = Circumstances(deployment, roster, (), nothing, None, None, "", now)
    for check in (Check.SHAPE, Check.UNSIGNED, Check.KEY, Check.KEY_VALIDITY, Check.SIGNATURE):
        if sentence := CHECKS[check](decision, about):
            return Problem(check, sentence[:300])
    return None


def approver_of(decision: Decision, roster: Roster) -> str:
    """One name for one person: whom the key belongs to; unsigned, who it says it is."""
    found = roster.owner_of_key(decision.key_id) if decision.key_id else None
    return found[0].subject if found else roster.subject_of(decision.approver)


# What it is for.


def _deployment(decision: Decision, about: Circumstances) -> str:
    return _differs("deployment", decision.deployment, about.deployment.id)


def _namespace(decision: Decision, about: Circumstances) -> str:
    return _differs("namespace", decision.namespace, about.deployment.namespace)


def _run(decision: Decision, about: Circumstances) -> str:
    return _differs("workflow_id", decision.workflow_id, about.run.workflow_id) or _differs(
        "first_run_id", decision.first_run_id, about.run.first_run_id
    )


def _open_request(decision: Decision, about: Circumstances) -> str:
    request = about.request
    if request is None or request.request_id != decision.approval_id:
        return f"this run has no request {decision.approval_id!r}; read the request again"
    if request.closed_at is not None and request.outcome != APPROVED:
        return f"{request.request_id} was {request.outcome}; nothing can be decided by it any more"
    return ""


def _action(decision: Decision, about: Circumstances) -> str:
    asked = about.request.action_digest if about.request else ""
    if decision.action_digest == about.action_digest == asked:
        return ""
    return "it is for another action than this: an argument, the tool or the step has changed; read the request again"


def _display(decision: Decision, about: Circumstances) -> str:
    shown = about.request.display_digest if about.request else ""
    return "" if decision.display_digest == shown else "it is for a request that was shown otherwise; read it again"


def _verdict(decision: Decision, about: Circumstances) -> str:
    options = about.request.options if about.request else ()
    if decision.verdict in options:
        return ""
    return f"verdict {decision.verdict.value!r} is no answer to this request; answer one of: {', '.join(options)}"


def _differs(field: str, given: str, wanted: str) -> str:
    return "" if given == wanted else f"{field} is {given!r}, here it is {wanted!r}; read the request again"


# Whether it is genuine.


def _shape(decision: Decision, _: Circumstances) -> str:
    given = [part for part in (decision.key_id, decision.nonce, decision.signature) if part]
    if len(given) in (0, 3):
        return ""
    return "key_id, nonce and signature stand together; sign it with `interlock approvals sign`"


def _unsigned(decision: Decision, about: Circumstances) -> str:
    if decision.signature or about.deployment.mode is Mode.DEVELOPMENT:
        return ""
    mode = about.deployment.mode.value
    return (
        f"unsigned decisions count in development mode only; this deployment runs in {mode}: "
        "make a key with `interlock approvers enrol`, have it put in force, and sign"
    )


def _key(decision: Decision, about: Circumstances) -> str:
    if not decision.signature:
        return ""
    found = _owner(decision, about)
    if found is None:
        return f"key {decision.key_id!r} is in nobody's name; enrol it with `interlock approvers enrol`"
    if found[0].subject != decision.approver:
        return f"key {decision.key_id!r} is not {decision.approver!r}'s; sign with your own key"
    return ""


def _key_validity(decision: Decision, about: Circumstances) -> str:
    found = _owner(decision, about)
    return found[1].problem_at(about.now) or found[1].problem_at(decision.issued_at) if found else ""


def _signature(decision: Decision, about: Circumstances) -> str:
    found = _owner(decision, about)
    if found is None or is_signed_by(found[1].public, SignedFor.DECISION, decision, decision.signature or ""):
        return ""
    return f"the signature was not made by {decision.approver!r} for this decision; sign it anew"


def _owner(decision: Decision, about: Circumstances) -> tuple[Person, PublicKey] | None:
    return about.roster.owner_of_key(decision.key_id) if decision.signature and decision.key_id else None


# Whether it is in time.


def _issued_later(decision: Decision, about: Circumstances) -> str:
    if decision.issued_at <= about.now + SKEW:
        return ""
    return f"it was issued at {_utc(decision.issued_at)}, in the future; check the clock of its sender"


def _issued_before_asked(decision: Decision, about: Circumstances) -> str:
    if about.request is None or decision.issued_at >= about.request.opened_at - SKEW:
        return ""
    return f"it was issued at {_utc(decision.issued_at)}, before anybody was asked; decide again"


def _expired(decision: Decision, about: Circumstances) -> str:
    until = min(decision.expires_at, about.closes_at or decision.expires_at)
    return "" if until > about.now else f"it expired at {_utc(until)}; decide again"


def _outlives_request(decision: Decision, about: Circumstances) -> str:
    deadline = about.request.deadline if about.request else None
    if deadline is None or decision.expires_at <= deadline:
        return ""
    return f"it would count until {_utc(decision.expires_at)}, the request only until {_utc(deadline)}; decide again"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


# Whether its author is entitled.


def _entitled(check: Check) -> Callable[[Decision, Circumstances], str]:
    def says(decision: Decision, about: Circumstances) -> str:
        if about.request is None or about.start is None:
            return ""
        subject = approver_of(decision, about.roster)
        reason = entitled(
            about.roster,
            about.request,
            about.start,
            subject,
            about.now,
            about.freely,
            about.grants,
            decided_at=about.taken_at,
        )
        return reason.sentence if reason and reason.check is check else ""

    return says


CHECKS: dict[Check, Callable[[Decision, Circumstances], str]] = {
    Check.SHAPE: _shape,
    Check.DEPLOYMENT: _deployment,
    Check.NAMESPACE: _namespace,
    Check.RUN: _run,
    Check.OPEN_REQUEST: _open_request,
    Check.ACTION: _action,
    Check.DISPLAY: _display,
    Check.VERDICT: _verdict,
    Check.UNSIGNED: _unsigned,
    Check.KEY: _key,
    Check.KEY_VALIDITY: _key_validity,
    Check.SIGNATURE: _signature,
    Check.ISSUED_LATER: _issued_later,
    Check.ISSUED_BEFORE_ASKED: _issued_before_asked,
    Check.EXPIRED: _expired,
    Check.OUTLIVES_REQUEST: _outlives_request,
    Check.PERSON: _entitled(Check.PERSON),
    Check.SELF_APPROVAL: _entitled(Check.SELF_APPROVAL),
    Check.OWNER: _entitled(Check.OWNER),
    Check.ABSENT: _entitled(Check.ABSENT),
    Check.ROLE: _entitled(Check.ROLE),
}
"""In the order in which they are made; each refuses something that no other one does."""
