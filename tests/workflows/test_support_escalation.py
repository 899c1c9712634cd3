"""Support escalations, told as stories: what Claude advises is checked, done, logged and confirmed, and read back."""

from datetime import timedelta

import pytest
from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from demo.mcp_servers import world
from demo.mcp_servers.orders.book import OrderBook
from tests.doubles import says
from tests.workflows.support_world import (
    AMARA,
    CREDITED,
    EMIL,
    EXPLAINED,
    NOOR,
    PROMISED,
    REPLACED,
    UNTOUCHED,
    Books,
    a_ticket,
    proposes,
    refunding,
)
from workflows.catalog import Catalog

pytestmark = pytest.mark.many

BEFORE = ["querying_crm", "checking_order", "searching", "deciding"]
AFTER = ["resolving", "logging", "confirming", "verifying"]
TOLD = ["crm.log_interaction", "mail.confirm_resolution"]


async def test_a_question_that_the_rules_answer_is_explained_logged_and_confirmed_once(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, EMIL, proposes(EXPLAINED)) as ticket:
        ending = await ticket.run.ending()
        states, books = await ticket.run.states(), ticket.books()
        asked = ticket.claude.questions[0]

    assert (ending.state, ending.reason) == (
        "explained",
        "explain returns-30-days: the order was delivered more than 30 days ago",
    )
    assert states == [*BEFORE, *AFTER, "explained"]
    assert ticket.shop.effects() == TOLD
    assert books == Books(logged="explained", note_ids="[]", told="explained", mails=1)
    assert "damaged-goods" in str(asked.messages[0]), "the search came before Claude"


async def test_a_promised_credit_is_a_refund_of_its_own_and_the_customer_file_names_the_note_that_binds(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, NOOR, proposes(CREDITED), *refunding("A-26", 2000)) as ticket:
        ending = await ticket.run.ending()
        view, books = await ticket.run.view(), ticket.books()
        child = await (await ticket.child()).view()

    assert ending.state == "credited"
    assert [(each.step, each.ending) for each in view.child_runs] == [("credit", "refunded")]
    assert (child.parent, child.workflow_id.split("~")[0]) == (view.workflow_id, "refund/A-26")
    assert view.facts["notes that bind"] == "2"
    assert books == Books(
        logged="credited", note_ids="[2]", told="credited", mails=1, credited_cents=2000, refunded_cents=2000
    )


async def test_a_promised_replacement_is_ordered_and_stands_when_all_is_read_back(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED)) as ticket:
        ending = await ticket.run.ending()
        books = ticket.books()

    assert (ending.state, ticket.shop.effects()) == ("replaced", ["orders.place_replacement", *TOLD])
    assert books == Books(logged="replaced", note_ids="[4]", told="replaced", mails=1, replacements=1)


async def test_a_promise_that_costs_nothing_binds_as_well_until_the_day_it_names(temporal: WorkflowEnvironment) -> None:
    until = (world.today() + timedelta(days=14)).isoformat()
    promise: dict[str, JsonValue] = {"note_id": 3, "words": f"a free return of the cabinet until {until}", "cents": 0}
    proposal = proposes(EXPLAINED, page_id="earlier-promises", promises=[promise | {"until": until}])
    asked = EMIL | {"order_id": "A-27", "question": "The hinges do not fit. Who pays for the parcel back?"}
    async with a_ticket(temporal, asked, proposal) as ticket:
        ending = await ticket.run.ending()
        view, books = await ticket.run.view(), ticket.books()

    assert (ending.state, view.facts["notes that bind"]) == ("explained", "3")
    assert books == Books(logged="explained", note_ids="[3]", told="explained", mails=1)


async def test_whoever_has_no_address_is_not_written_to_and_the_ticket_ends_well(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, AMARA, proposes(EXPLAINED)) as ticket:
        ending = await ticket.run.ending()
        books = ticket.books()

    assert (ending.state, books.told, books.mails) == ("explained", "explained", 0)


async def test_an_order_of_another_customer_ends_the_ticket_before_anything_is_touched(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, NOOR | {"order_id": "A-28"}, proposes(EXPLAINED)) as ticket:
        ending = await ticket.run.ending()
        states, books = await ticket.run.states(), ticket.books()

    assert (ending.state, ending.reason) == ("refused", "order A-28 is not of customer C-13")
    assert states == ["querying_crm", "checking_order", "refused"]
    assert (ticket.shop.effects(), ticket.claude.questions, books) == ([], [], UNTOUCHED)


# What Claude says of promises is checked where they stand.


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        ({"note_id": 99, "words": PROMISED, "cents": 2000}, "note 99 of this customer does not say what Claude has"),
        ({"note_id": 4, "words": PROMISED, "cents": 2000}, "note 4 of this customer does not say what Claude has"),
        ({"note_id": 2, "words": "Promised her 20.00 EUR", "cents": 2000}, "note 2 of this customer does not say"),
    ],
    ids=["no such note", "another customer's note", "other words"],
)
async def test_a_promise_that_stands_in_no_note_of_this_customer_goes_to_a_person(
    temporal: WorkflowEnvironment, promise: dict[str, JsonValue], said: str
) -> None:
    proposal = proposes(CREDITED, promises=[promise | {"until": None}])
    async with a_ticket(temporal, NOOR, proposal) as ticket:
        request = await ticket.run.asked()

    assert said in request.title
    assert ticket.shop.effects() == []


# The case.


def test_a_ticket_is_one_case_and_another_question_under_its_number_is_another_input() -> None:
    entry = Catalog.load().find("support_escalation")

    def key(**otherwise: str) -> str:
        return entry.business_key(entry.request.model_validate(NOOR | otherwise))

    assert key() == key(question="Where is it?", order_id="A-28") == "T-3107"
    assert key() != key(ticket="T-3108")


async def test_what_has_changed_since_it_was_decided_is_not_done_before_a_person_has_looked(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, NOOR, proposes(CREDITED), held="crm.check_quotes") as ticket:
        await ticket.shop.until_called("crm.check_quotes")
        OrderBook(ticket.shop.data).mark_refunded("A-26", 6200, "by hand")
        ticket.shop.hold["crm.check_quotes"].set()
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.REJECT, by="sam", note="it is settled")
        ending = await ticket.run.ending()

    assert request.title == (
        "the order has changed meanwhile: status: delivered -> refunded; refunded_cents: 0 -> 6200"
    )
    assert (ending.state, ending.reason) == ("declined", "declined by sam: it is settled")
    assert ticket.shop.effects() == TOLD


async def test_an_answer_that_is_none_goes_to_a_person_too(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, EMIL, says("I would give him 20 euros.")) as ticket:
        request = await ticket.run.asked()
        details = await ticket.run.details()

    assert request.title.startswith("no usable advice: ")
    assert request.options == (Verdict.SUPPLY, Verdict.REJECT)
    assert [each.role for each in request.obligations] == ["support_lead"]
    assert "T-3108" in details.replace("\\", "")
