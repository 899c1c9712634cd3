"""Who is told what: the right people, once, and nothing of what is to be decided on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.freezes import Standing
from activities.inbox import InboxEntry
from activities.notices import Notice, NoticeEvent
from activities.telling import alarm_of, alarm_of_freeze, alarm_of_thaw, notices_of
from contracts.authority import BreakGlass
from contracts.canonical import digest
from contracts.decisions import RequestKind, Verdict
from contracts.freezing import FreezeScope
from contracts.policy import Obligation
from contracts.roster import Absence, Delegation, Person, Roster
from tests.authority import Signer

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
ALWAYS = {"valid_from": NINE - timedelta(days=9), "valid_until": NINE + timedelta(days=9)}


def person(subject: str, *roles: str, mail: bool = True, **fields: Any) -> Person:
    return Person(subject=subject, roles=roles, mail=f"{subject}@example.com" if mail else "", **fields)


ROSTER = Roster(
    people=(
        person("ada", "finance_manager", aliases=("ada.l",)),
        person("fiona", "finance_manager", "operator"),
        person("grace", "finance_manager"),
        person("linus", "finance_manager", mail=False),
        person("otto", "finance_manager"),
        person("carla", "controller"),
        person("admin", "roster_admin", "operator"),
    ),
    absences=(Absence(subject="grace", **ALWAYS),),
    owners={"refund": ("otto",)},
)


def entry(**changes: Any) -> InboxEntry:
    fields: dict[str, Any] = {
        "request_id": "refund/A-17#1",
        "kind": RequestKind.APPROVAL,
        "automation": "refund",
        "workflow_id": "refund/A-17",
        "first_run_id": "run-1",
        "state": "awaiting_approval",
        "title": "credit 40.00 EUR to Dana Reeves",
        "action_digest": digest(b"action"),
        "display_digest": digest(b"display"),
        "obligations": (
            Obligation(
                role="finance_manager",
                quorum=2,
                within=timedelta(hours=4),
                rule_id="large",
                hand_on_to="controller",
            ),
        ),
        "options": (Verdict.APPROVE, Verdict.REJECT),
        "requester": "ADA.L",
        "opened_at": NINE,
        "deadline": NINE + timedelta(hours=4),
    }
    return InboxEntry.model_validate(fields | changes)


def people(notices: tuple[Notice, ...]) -> list[str]:
    """Who gets one; the empty name stands for channels that tell nobody in particular."""
    assert all(bool(notice.address) == bool(notice.recipient) for notice in notices)
    return [notice.recipient for notice in notices]


@pytest.mark.parametrize("event", [NoticeEvent.REQUEST, NoticeEvent.REMINDER])
def test_those_who_may_decide_are_asked_and_neither_requester_nor_owner_nor_the_absent(event: NoticeEvent) -> None:
    assert people(notices_of(entry(), event, ROSTER, NINE)) == ["fiona", ""]


def test_who_holds_a_role_only_through_the_requester_is_not_asked() -> None:
    lent = Delegation(delegator="ada", delegate="carla", roles=("finance_manager",), reason="holiday", **ALWAYS)
    through_ada = ROSTER.model_copy(update={"delegations": (lent,)})
    assert people(notices_of(entry(), NoticeEvent.REQUEST, through_ada, NINE)) == ["fiona", ""]

    through_fiona = ROSTER.model_copy(update={"delegations": (lent.model_copy(update={"delegator": "fiona"}),)})
    assert people(notices_of(entry(), NoticeEvent.REQUEST, through_fiona, NINE)) == ["fiona", "carla", ""]


def test_the_owner_of_an_automation_is_asked_how_it_goes_on() -> None:
    escalated = entry(kind=RequestKind.ESCALATION)
    assert people(notices_of(escalated, NoticeEvent.REQUEST, ROSTER, NINE)) == ["fiona", "otto", ""]


def test_handed_on_it_is_the_next_role_that_is_asked() -> None:
    assert people(notices_of(entry(), NoticeEvent.HANDED_ON, ROSTER, NINE)) == ["carla", ""]


def test_the_requester_learns_what_was_decided_and_of_an_expiry_together_with_those_who_were_asked() -> None:
    assert people(notices_of(entry(), NoticeEvent.DECIDED, ROSTER, NINE)) == ["ada", ""]
    assert people(notices_of(entry(), NoticeEvent.EXPIRED, ROSTER, NINE)) == ["fiona", "ada", ""]
    assert people(notices_of(entry(requester="stranger"), NoticeEvent.DECIDED, ROSTER, NINE)) == [""]
    away = ROSTER.model_copy(update={"absences": (Absence(subject="ada", **ALWAYS),)})
    assert people(notices_of(entry(), NoticeEvent.DECIDED, away, NINE)) == [""]


def test_without_a_roster_only_channels_that_tell_nobody_in_particular_are_used() -> None:
    assert people(notices_of(entry(), NoticeEvent.REQUEST, Roster(), NINE)) == [""]


def test_a_notice_says_what_when_and_how_and_nothing_of_what_is_decided_on() -> None:
    for event in NoticeEvent:
        for notice in notices_of(entry(outcome="approved", by="fiona"), event, ROSTER, NINE):
            said = notice.subject + notice.body
            assert "40.00" not in said and "EUR" not in said and "Dana" not in said and "sha256" not in said
            assert "interlock approvals show 'refund/A-17#1'" in notice.body
    (asked, _) = notices_of(entry(), NoticeEvent.REQUEST, ROSTER, NINE)
    assert asked.subject == "Interlock: approval wanted: refund/A-17#1"
    for fact in ("refund/A-17", "awaiting_approval", "2 people with the role finance_manager", "2026-11-20 13:00 UTC"):
        assert fact in asked.body
    assert (asked.workflow_id, asked.first_run_id, asked.request_id) == ("refund/A-17", "run-1", "refund/A-17#1")


def test_text_from_outside_stays_on_its_line_and_no_shell_acts_on_it() -> None:
    hostile = "refund/A\r\nBcc: all@example.com\n$(reboot)\x1b[2J\u202e#1"
    bent = entry(request_id=hostile, workflow_id=hostile, state=hostile, outcome=hostile, by=hostile)
    for event in NoticeEvent:
        for notice in notices_of(bent, event, ROSTER, NINE):
            assert notice.subject.isprintable()
            lines = notice.body.split("\n")
            assert all(line.isprintable() for line in lines)
            assert not [line for line in lines if line.startswith("Bcc")]
            (command,) = [line for line in lines if "approvals show" in line]
            assert command.partition("show ")[2].startswith("'") and "$(reboot)" in command.split("'")[1]


def test_the_same_event_is_the_same_notice_and_everything_else_is_another() -> None:
    def ids(counter: int = 0, event: NoticeEvent = NoticeEvent.REMINDER, **changes: Any) -> list[str]:
        return [notice.id for notice in notices_of(entry(**changes), event, ROSTER, NINE, counter)]

    assert ids() == ids(title="another", state="elsewhere", deadline=None)
    others = [ids(1), ids(event=NoticeEvent.REQUEST), ids(first_run_id="run-2"), ids(request_id="refund/A-17#2")]
    assert len({*ids(), *(one for other in others for one in other)}) == 2 * (1 + len(others))


def test_a_role_taken_in_an_emergency_alerts_administrators_and_operators_at_once() -> None:
    grant = BreakGlass(
        deployment="here",
        subject="carla",
        role="finance_manager",
        reason="the bank closes\nin ten minutes",
        key_id="k-1",
        nonce="n" * 16,
        issued_at=NINE,
        expires_at=NINE + timedelta(hours=1),
    )
    alarm = alarm_of(grant, ROSTER, NINE)
    assert people(alarm) == ["admin", "fiona", ""]
    assert {notice.event for notice in alarm} == {NoticeEvent.BREAK_GLASS}
    assert "carla" in alarm[0].subject and "10:00 UTC" in alarm[0].body and "closes\\u{a}in" in alarm[0].body
    later = alarm_of(grant.model_copy(update={"nonce": "m" * 16}), ROSTER, NINE)
    assert len({notice.id for notice in (*alarm, *later)}) == 6


def test_a_freeze_and_its_thaw_alert_the_operators_with_the_way_back() -> None:
    olga = Signer("olga", ("operator",))
    freeze = olga.freezes("here", NINE, FreezeScope.SERVER, "payments", reason="money leaves\ntwice")
    thaw = olga.thaws(freeze, NINE)
    stopped = Standing(id=freeze.id, scope=freeze.scope, target=freeze.target)
    frozen, thawed = alarm_of_freeze(freeze, ROSTER, NINE), alarm_of_thaw(thaw, stopped, ROSTER, NINE)

    assert people(frozen) == people(thawed) == ["fiona", "admin", ""]
    assert [{each.event for each in alarm} for alarm in (frozen, thawed)] == [
        {NoticeEvent.FROZEN},
        {NoticeEvent.THAWED},
    ]
    assert frozen[0].subject == "Interlock: olga has frozen the server 'payments'"
    assert "money leaves\\u{a}twice" in frozen[0].body and f"interlock thaw {freeze.id}" in frozen[0].body
    assert thawed[0].subject == "Interlock: olga has thawed the server 'payments'"
    assert len({notice.id for notice in (*frozen, *thawed)}) == 6
