"""Exceptions of support escalations: a support lead takes Claude's advice, chooses otherwise or declines, in bounds."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import RequestKind, Verdict
from contracts.roster import Roster
from tests.activities.people import person
from tests.demo_servers import says_no
from tests.workflows.claim_world import until_continued
from tests.workflows.support_world import (
    CREDITED,
    EMIL,
    EXPLAINED,
    NOOR,
    REPLACED,
    Books,
    a_ticket,
    proposes,
    refunding,
)

pytestmark = pytest.mark.many

CHOSEN: dict[str, JsonValue] = {
    "resolution": "credit",
    "cents": 1500,
    "sku": "",
    "page_id": "goodwill",
    "reason": "she has waited long",
}
UNSURE = EXPLAINED | {"escalate": True, "reason": "the rules contradict each other"}


def chosen(**changes: JsonValue) -> str:
    """What a lead supplies."""
    return json.dumps(CHOSEN | changes)


async def test_what_claude_is_unsure_of_is_shown_with_its_advice_and_done_when_a_lead_says_so(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, EMIL, proposes(UNSURE)) as ticket:
        request = await ticket.run.asked()
        shown = await ticket.shown(request)
        await ticket.run.decides(Verdict.APPROVE, by="sam")
        ending = await ticket.run.ending()
        states = await ticket.run.states()

    assert request.kind is RequestKind.ESCALATION
    assert request.title == "Claude asks for a person: the rules contradict each other"
    assert request.options == (Verdict.APPROVE, Verdict.SUPPLY, Verdict.REJECT)
    assert EMIL["question"] in shown and "explain returns-30-days: the rules contradict each other" in shown
    assert (ending.state, states[4:6]) == ("explained", ["awaiting_lead", "resolving"])


async def test_a_lead_who_chooses_otherwise_is_named_in_the_customer_file(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, NOOR, proposes(UNSURE), *refunding("A-26", 1500)) as ticket:
        await ticket.run.decides(Verdict.SUPPLY, by="sam", value=chosen())
        ending = await ticket.run.ending()
        books = ticket.books()
        logged = ticket.shop.arguments_of("crm.log_interaction")[0]

    assert (ending.state, logged["why"]) == ("credited", "she has waited long (chosen by sam)")
    assert (books.credited_cents, books.logged, books.told) == (1500, "credited", "credited")


async def test_a_lead_who_declines_has_the_customer_told_and_gives_nothing(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, NOOR, proposes(CREDITED, escalate=True)) as ticket:
        await ticket.run.decides(Verdict.REJECT, by="sam", note="she was paid in March")
        ending = await ticket.run.ending()
        states, books = await ticket.run.states(), ticket.books()

    assert (ending.state, ending.reason) == ("declined", "declined by sam: she was paid in March")
    assert states[4:] == ["awaiting_lead", "logging", "confirming", "verifying", "declined"]
    assert books == Books(logged="declined", note_ids="[2]", told="declined", mails=1)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (chosen(cents=10_001), "100.01 EUR is more than the 100.00 EUR that were asked for"),
        (chosen(resolution="replace"), "it names no item"),
        ("twenty euros", "value: Invalid JSON"),
    ],
)
async def test_nobody_gives_more_than_was_asked_for_and_a_choice_that_does_not_fit_is_asked_for_again(
    temporal: WorkflowEnvironment, value: str, said: str
) -> None:
    async with a_ticket(temporal, EMIL, proposes(UNSURE)) as ticket:
        await ticket.run.decides(Verdict.SUPPLY, by="sam", value=value)
        again = await ticket.run.asked(2)
        await ticket.run.decides(Verdict.REJECT, by="sam", number=2)
        ending = await ticket.run.ending()
        states = await ticket.run.states()

    assert again.title.startswith(said)
    assert again.title.endswith("; still: Claude asks for a person: the rules contradict each other")
    assert (ending.state, states[4:7]) == ("declined", ["awaiting_lead", "awaiting_lead", "logging"])


async def test_advice_that_is_out_of_bounds_cannot_even_be_taken(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, NOOR | {"limit_cents": 1000}, proposes(CREDITED)) as ticket:
        request = await ticket.run.asked()

    assert request.title == "20.00 EUR is more than the 10.00 EUR that were asked for"
    assert request.options == (Verdict.SUPPLY, Verdict.REJECT)


async def test_a_lead_is_who_the_roster_says_and_never_whoever_asked(temporal: WorkflowEnvironment) -> None:
    people = tuple(person(name, "support_lead") for name in ("sam", "rita"))
    roster = Roster(people=(*people, person("erik", "clerk")))
    async with a_ticket(temporal, EMIL, proposes(UNSURE), roster=roster) as ticket:
        decision = await ticket.run.decision(Verdict.APPROVE, by="sam")
        refused = {
            name: await ticket.run.refused(decision.model_copy(update={"approver": name}))
            for name in ("rita", "erik", "nobody")
        }
        await ticket.run.sends(decision)
        ending = await ticket.run.ending()

    assert "asked for this run" in refused["rita"]
    assert "support_lead" in refused["erik"]
    assert "is nobody of the roster" in refused["nobody"]
    assert ending.state == "explained"


async def test_a_rule_that_the_documentation_does_not_have_is_put_to_a_lead(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, EMIL, proposes(EXPLAINED, page_id="a-rule-of-my-own")) as ticket:
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.SUPPLY, by="sam", value=chosen(resolution="explain", cents=0))
        ending = await ticket.run.ending()
        states = await ticket.run.states()

    assert request.title == "the documentation has no page 'a-rule-of-my-own'"
    assert (ending.state, states[4:7]) == ("explained", ["resolving", "awaiting_lead", "resolving"])


@pytest.mark.parametrize(
    ("changes", "faults", "said"),
    [
        ({"cents": 5499}, {}, "'LIV-0760' costs 5500 cents in order 'A-28', not 5499"),
        ({}, {"orders.place_replacement": says_no}, "not today"),
    ],
)
async def test_a_replacement_that_cannot_be_ordered_is_put_to_a_lead_who_may_choose_again(
    temporal: WorkflowEnvironment, changes: dict[str, JsonValue], faults: dict[str, Any], said: str
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED, **changes), faults=faults) as ticket:
        request = await ticket.run.asked()
        value = chosen(resolution="replace", cents=5500, sku="LIV-0760", page_id="damaged-goods")
        await ticket.run.decides(Verdict.SUPPLY, by="sam", value=value)
        ending = await ticket.run.ending()
        books = ticket.books()

    assert request.title.startswith("no replacement could be ordered: ") and said in request.title
    assert (ending.state, books.replacements) == ("replaced", 1)


async def test_a_question_that_nobody_answers_within_a_week_is_asked_again(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, EMIL, proposes(UNSURE)) as ticket:
        first = await ticket.run.asked()
        await ticket.story.fast_forward(ticket.run, timedelta(days=7, minutes=1))
        second = await ticket.run.asked(2)
        await ticket.run.decides(Verdict.APPROVE, by="sam", number=2)
        ending = await ticket.run.ending()

    assert (second.title, second.options) == (first.title, first.options)
    assert ending.state == "explained"


async def test_a_ticket_that_waits_for_a_lead_continues_as_new_and_hears_the_answer(
    suggesting: WorkflowEnvironment,
) -> None:
    async with a_ticket(suggesting, EMIL, proposes(UNSURE)) as ticket:
        await ticket.run.asked()
        before = (await ticket.run.handle.describe()).run_id
        for number in range(12):
            await ticket.run.signals({"junk": number})
        await until_continued(ticket.run, before)
        await ticket.run.decides(Verdict.APPROVE, by="sam")
        ending = await ticket.run.ending()

    assert ending.state == "explained"
