"""Who may decide: a person of the demanded role, and never whoever asked, speaks for the asker, or owns the work."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.entitlement import NotEntitled, entitled, everybody_decides, holdings_of, unable
from activities.inbox import InboxEntry
from contracts.authority import BreakGlass
from contracts.decisions import Check, RequestKind
from contracts.deployment import Deployment, Mode
from contracts.roster import Roster
from contracts.runs import Ancestor, StartStatement
from tests.activities.people import (
    HOUR,
    NOON,
    YEAR,
    asks,
    away,
    demands,
    emergency,
    lends,
    person,
    public_key,
    roster,
    started,
)

RITA = person("rita", "finance_manager", aliases=("r.jones", "Rita@Example.com"))
DANA = person("dana", "finance_manager")
BOB = person("bob")
KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NIGHT = person("night", "support_lead", break_glass=("finance_manager",), keys=(public_key(KEY),))
HANDED_ON = demands(hand_on=24 * HOUR, hand_on_to="head_of_finance")


def barrier(
    people: Roster,
    subject: str,
    request: InboxEntry | None = None,
    start: StartStatement | None = None,
    **more: Any,
) -> NotEntitled | None:
    return entitled(people, request or asks(), start or started(), subject, more.pop("now", NOON), **more)


def check(people: Roster, subject: str, *given: Any, **more: Any) -> Check | None:
    found = barrier(people, subject, *given, **more)
    return found.check if found else None


def test_a_person_of_the_demanded_role_may_decide() -> None:
    assert barrier(roster(RITA, DANA), "dana") is None


@pytest.mark.parametrize("name", ["dana", "DANA", " Dana ", "\uff24ana", "d.diaz"])
def test_whatever_a_person_calls_themselves_they_are_that_person(name: str) -> None:
    people = roster(RITA, person("dana", "finance_manager", aliases=("D.Diaz",)))
    assert barrier(people, name) is None
    assert check(people, name, start=started("Dana")) is Check.SELF_APPROVAL


def test_a_person_of_another_role_may_not_decide_and_is_told_what_they_hold() -> None:
    found = barrier(roster(RITA, person("sue", "support_lead", "auditor")), "sue")
    assert found == NotEntitled(Check.ROLE, "'sue' holds support_lead, auditor and cannot decide as finance_manager")


def test_a_person_without_any_role_may_not_decide() -> None:
    found = barrier(roster(RITA, BOB), "bob")
    assert found == NotEntitled(Check.ROLE, "'bob' holds no role and cannot decide as finance_manager")


def test_a_stranger_may_not_decide() -> None:
    assert check(roster(RITA, DANA), "mallory") is Check.PERSON


@pytest.mark.parametrize("requester", ["rita", "RITA", " rita ", "r.jones", "R.JONES", "rita@example.com"])
def test_whoever_asked_may_not_decide_under_any_of_their_names(requester: str) -> None:
    people = roster(RITA, DANA)
    for subject in ("rita", "R.Jones", "RITA@example.com"):
        assert check(people, subject, start=started(requester)) is Check.SELF_APPROVAL
    assert barrier(people, "dana", start=started(requester)) is None


def test_those_for_whom_a_service_asked_may_not_decide() -> None:
    people = roster(RITA, DANA, person("eve", "finance_manager"), person("bot", service=True))
    start = started("bot", "R.JONES", "dana", signer="bot")
    assert check(people, "rita", start=start) is Check.SELF_APPROVAL
    assert check(people, "dana", start=start) is Check.SELF_APPROVAL
    assert barrier(people, "eve", start=start) is None


def test_whoever_signed_the_start_may_not_decide() -> None:
    assert check(roster(RITA, DANA), "dana", start=started("rita", signer="dana")) is Check.SELF_APPROVAL


def test_the_owner_of_an_automation_may_not_approve_what_it_does() -> None:
    people = roster(RITA, DANA, owners={"refund": ("dana",)})
    found = barrier(people, "DANA")
    assert found is not None
    assert found.check is Check.OWNER
    assert "'dana' owns the automation 'refund'" in found.sentence
    assert barrier(people, "dana", asks(automation="errand")) is None


def test_who_owns_an_automation_around_a_run_may_not_approve_what_it_does() -> None:
    people = roster(
        RITA, DANA, BOB, owners={"claim": ("dana",)}, delegations=(lends("dana", "bob", "finance_manager"),)
    )
    inside = Ancestor(workflow_id="claim/C-1", first_run_id="first", automation="claim")
    child = started(inside=(inside,))

    found = entitled(people, asks(), child, "dana", NOON)
    assert found is not None
    assert (found.check, "'dana' owns the automation 'claim'" in found.sentence) == (Check.OWNER, True)
    assert entitled(people, asks(), child, "bob", NOON) is not None, "what she lends counts as little"
    assert entitled(people, asks(), started(), "dana", NOON) is None
    assert entitled(people, asks(kind=RequestKind.ESCALATION), child, "dana", NOON) is None


def test_the_owner_may_answer_an_escalation_and_whoever_asked_may_not() -> None:
    people = roster(RITA, DANA, owners={"refund": ("dana",)})
    escalation = asks(kind=RequestKind.ESCALATION)
    assert barrier(people, "dana", escalation) is None
    assert check(people, "rita", escalation) is Check.SELF_APPROVAL


# Lent roles.


def test_a_lent_role_counts_while_it_is_lent() -> None:
    people = roster(RITA, DANA, BOB, delegations=(lends("dana", "bob", "finance_manager"),))
    assert barrier(people, "bob") is None
    assert check(people, "bob", now=NOON + HOUR) is Check.ROLE
    assert check(people, "bob", now=NOON - HOUR - timedelta(milliseconds=1)) is Check.ROLE


def test_a_role_lent_by_somebody_who_is_away_counts() -> None:
    people = roster(RITA, DANA, BOB, delegations=(lends("dana", "bob", "finance_manager"),), absences=(away("dana"),))
    assert barrier(people, "bob") is None


def test_a_role_lent_by_whoever_asked_does_not_count() -> None:
    people = roster(RITA, DANA, BOB, delegations=(lends("rita", "bob", "finance_manager"),))
    found = barrier(people, "bob")
    assert found == NotEntitled(Check.ROLE, "'bob' holds finance_manager only from 'rita', who may not decide this")


def test_a_role_lent_by_the_owner_does_not_count_for_approvals() -> None:
    people = roster(
        RITA, DANA, BOB, owners={"refund": ("dana",)}, delegations=(lends("dana", "bob", "finance_manager"),)
    )
    assert check(people, "bob") is Check.ROLE
    assert barrier(people, "bob", asks(kind=RequestKind.ESCALATION)) is None


def test_a_chain_through_somebody_excluded_does_not_count() -> None:
    chain = (lends("dana", "rita", "finance_manager"), lends("rita", "bob", "finance_manager"))
    people = roster(person("rita"), DANA, BOB, delegations=chain)
    assert check(people, "bob") is Check.ROLE
    assert barrier(people, "bob", start=started("somebody")) is None


def test_somebody_excluded_on_one_way_may_decide_on_another() -> None:
    both = (lends("rita", "bob", "finance_manager"), lends("dana", "bob", "finance_manager"))
    people = roster(RITA, DANA, BOB, delegations=both)
    assert barrier(people, "bob") is None
    held = list(holdings_of(people, asks(), started(), "bob", NOON))
    assert [holding.chain for _, holding in held] == [("dana",)]


def test_a_role_lent_by_somebody_who_has_left_does_not_count() -> None:
    people = roster(
        RITA,
        person("dana", "finance_manager", valid_until=NOON),
        BOB,
        delegations=(lends("dana", "bob", "finance_manager"),),
    )
    assert check(people, "bob") is Check.ROLE


def test_only_the_lent_roles_are_lent() -> None:
    people = roster(
        RITA, person("dana", "finance_manager", "auditor"), BOB, delegations=(lends("dana", "bob", "auditor"),)
    )
    assert check(people, "bob") is Check.ROLE


def test_what_a_service_holds_it_neither_uses_nor_lends() -> None:
    bot = person("bot", "finance_manager", service=True)
    people = roster(RITA, DANA, BOB, bot, delegations=(lends("bot", "bob", "finance_manager"),))
    assert check(people, "bot") is Check.PERSON
    assert check(people, "bob") is Check.ROLE
    assert list(holdings_of(people, asks(), started(), "bot", NOON)) == []


# Time.


def test_an_absent_person_may_not_decide_until_they_are_back() -> None:
    people = roster(RITA, DANA, absences=(away("dana"),))
    found = barrier(people, "Dana")
    assert found is not None
    assert found.check is Check.ABSENT
    assert "absent until 2026-11-20 13:00 UTC" in found.sentence
    assert barrier(people, "dana", now=NOON + HOUR) is None


def test_a_person_decides_from_their_first_day_until_their_last() -> None:
    people = roster(RITA, person("dana", "finance_manager", valid_from=NOON, valid_until=NOON + HOUR))
    assert check(people, "dana", now=NOON - timedelta(milliseconds=1)) is Check.PERSON
    assert barrier(people, "dana") is None
    assert check(people, "dana", now=NOON + HOUR) is Check.PERSON


def test_who_can_decide_nothing_at_all_is_told_why() -> None:
    people = roster(RITA, DANA, person("bot", service=True), absences=(away("dana"),))
    reasons = {subject: unable(people, subject, NOON) for subject in ("rita", "dana", "bot", "mallory")}
    checks = {subject: reason.check if reason else None for subject, reason in reasons.items()}
    assert checks == {"rita": None, "dana": Check.ABSENT, "bot": Check.PERSON, "mallory": Check.PERSON}


# Handing on.


def test_the_next_role_may_decide_once_the_request_is_handed_on_and_the_first_one_still_may() -> None:
    people = roster(RITA, DANA, person("hedy", "head_of_finance"))
    before, after = asks(HANDED_ON), asks(HANDED_ON, handed_on_at=NOON, hand_ons={HANDED_ON.rule_id: NOON})
    assert check(people, "hedy", before) is Check.ROLE
    assert check(people, "hedy", after, now=NOON - timedelta(milliseconds=1)) is Check.ROLE
    assert barrier(people, "hedy", after) is None
    assert barrier(people, "dana", after) is None
    assert [role for role, _ in holdings_of(people, after, started(), "hedy", NOON)] == ["finance_manager"]


def test_a_rule_is_handed_on_in_its_own_time_though_another_one_was_before() -> None:
    people = roster(RITA, DANA, person("hedy", "head_of_finance"))
    later = asks(HANDED_ON, handed_on_at=NOON - HOUR, hand_ons={HANDED_ON.rule_id: NOON})
    assert check(people, "hedy", later, now=NOON - timedelta(milliseconds=1)) is Check.ROLE
    assert barrier(people, "hedy", later) is None


def test_the_next_role_is_told_to_wait_for_the_handing_on() -> None:
    found = barrier(roster(RITA, person("hedy", "head_of_finance")), "hedy", asks(HANDED_ON))
    assert found is not None
    assert found.sentence == "'hedy' may decide as head_of_finance once the request is handed on, not before"


def test_a_handed_on_request_without_a_next_role_lets_nobody_else_decide() -> None:
    people = roster(RITA, person("hedy", "head_of_finance"), BOB)
    handed_on = asks(handed_on_at=NOON - HOUR, hand_ons={demands().rule_id: NOON - HOUR})
    assert check(people, "hedy", handed_on) is Check.ROLE
    assert check(people, "bob", handed_on) is Check.ROLE


# Emergencies.


def test_a_role_taken_in_an_emergency_counts_where_one_person_is_demanded() -> None:
    people = roster(RITA, NIGHT)
    assert barrier(people, "night", grants=(emergency(KEY, "night"),)) is None
    assert check(people, "night") is Check.ROLE


def test_a_role_taken_in_an_emergency_fills_no_place_of_a_quorum() -> None:
    people, grants = roster(RITA, NIGHT), (emergency(KEY, "night"),)
    found = barrier(people, "night", asks(demands(quorum=2)), grants=grants)
    assert found is not None
    assert found.check is Check.ROLE
    assert "fills no place of a quorum" in found.sentence
    mixed = asks(demands("support_lead", quorum=2), demands())
    held = [
        (role, holding.break_glass) for role, holding in holdings_of(people, mixed, started(), "night", NOON, grants)
    ]
    assert held == [("support_lead", False), ("finance_manager", True)]


@pytest.mark.parametrize(
    "grant",
    [
        emergency(KEY, "night", role="auditor"),
        emergency(KEY, "rita"),
        emergency(OTHER_KEY, "night"),
        emergency(KEY, "night", issued_at=NOON + timedelta(milliseconds=1)),
        emergency(KEY, "night", expires_at=NOON),
        emergency(KEY, "night", expires_at=NOON + 4 * HOUR),
        emergency(KEY, "night").model_copy(update={"reason": "another reason than signed"}),
        emergency(KEY, "night").model_copy(update={"signature": None}),
    ],
    ids=["another role", "another person", "another key", "not yet", "over", "too long", "edited", "unsigned"],
)
def test_an_emergency_that_is_not_exactly_as_it_must_be_gives_no_role(grant: BreakGlass) -> None:
    assert check(roster(NIGHT, DANA), "night", start=started("somebody"), grants=(grant,)) is Check.ROLE


def test_an_emergency_signed_with_a_revoked_key_gives_no_role() -> None:
    revoked = NIGHT.model_copy(update={"keys": (public_key(KEY, revoked_at=NOON + YEAR),)})
    assert check(roster(RITA, revoked), "night", grants=(emergency(KEY, "night"),)) is Check.ROLE


def test_a_role_nobody_may_take_in_an_emergency_is_not_taken() -> None:
    grant = emergency(KEY, "night", role="auditor")
    assert check(roster(RITA, NIGHT), "night", asks(demands("auditor")), grants=(grant,)) is Check.ROLE


def test_nobody_takes_a_role_in_an_emergency_with_the_key_of_another() -> None:
    day = person("day", break_glass=("finance_manager",))
    people = roster(RITA, NIGHT, day)
    assert check(people, "day", grants=(emergency(KEY, "day"),)) is Check.ROLE
    assert check(people, "night", grants=(emergency(KEY, "night"),)) is None


def test_in_an_emergency_nobody_decides_what_they_asked_for() -> None:
    people, grants = roster(RITA, NIGHT), (emergency(KEY, "night"),)
    assert check(people, "night", start=started("NIGHT"), grants=grants) is Check.SELF_APPROVAL


# Development.


def test_in_development_without_a_roster_everybody_decides_but_what_they_asked_for() -> None:
    nobody = Roster()
    assert barrier(nobody, "dana", freely=True) is None
    for name in ("rita", "RITA ", "\uff52ita"):
        assert check(nobody, name, freely=True) is Check.SELF_APPROVAL
    assert check(nobody, "Dana", start=started("bot", "dana"), freely=True) is Check.SELF_APPROVAL


def test_everybody_decides_only_in_development_and_only_without_a_roster() -> None:
    production = Deployment(id="here", namespace="default", mode=Mode.PRODUCTION)
    development = production.model_copy(update={"mode": Mode.DEVELOPMENT})
    assert everybody_decides(development, Roster())
    assert not everybody_decides(development, roster(DANA))
    assert not everybody_decides(production, Roster())
