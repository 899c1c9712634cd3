"""Support escalations that are cancelled, or of which a step fails: what was ordered is taken back, or it goes on."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeRejected
from contracts.decisions import Verdict
from demo.mcp_servers.orders.book import OrderBook
from tests.demo_servers import Faults, is_away, loses_the_answer, refuses, says_no
from tests.workflows.support_world import EMIL, EXPLAINED, REPLACED, UNTOUCHED, Books, a_ticket, proposes
from tests.workflows.trip_world import until_it_pauses

pytestmark = pytest.mark.many

TEN_MINUTES = timedelta(minutes=10, seconds=1)


@pytest.mark.parametrize(
    ("state", "held", "books"),
    [
        ("querying_crm", "crm.find_customer", UNTOUCHED),
        ("checking_order", "orders.find_order", UNTOUCHED),
        ("searching", "documentation.search", UNTOUCHED),
        ("deciding", "documentation.read_page", UNTOUCHED),
        ("resolving", "orders.place_replacement", UNTOUCHED),
        ("logging", "crm.log_interaction", Books(logged="replaced", note_ids="[4]")),
        ("confirming", "mail.confirm_resolution", Books(logged="replaced", note_ids="[4]", told="replaced", mails=1)),
        ("verifying", "mail.confirmations_of", Books(logged="replaced", note_ids="[4]", told="replaced", mails=1)),
    ],
)
async def test_a_ticket_that_is_cancelled_waits_for_the_call_in_flight_and_takes_back_what_it_has_ordered(
    temporal: WorkflowEnvironment, state: str, held: str, books: Books
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED), held=held) as ticket:
        await ticket.shop.until_called(held)
        await ticket.run.cancel("he has withdrawn it")
        assert not (await ticket.run.view()).final, "the call is still under way"
        ticket.shop.hold[held].set()
        ending = await ticket.run.ending()
        states, found = await ticket.run.states(), ticket.books()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: he has withdrawn it")
    assert states[-2:] == [state, "cancelled"]
    assert found == books


async def test_a_ticket_that_is_cancelled_while_a_lead_is_asked_withdraws_the_question(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED, escalate=True)) as ticket:
        await ticket.run.asked()
        await ticket.run.cancel("he has withdrawn it")
        ending = await ticket.run.ending()
        states, view = await ticket.run.states(), await ticket.run.view()

    assert (ending.state, states[-2:]) == ("cancelled", ["awaiting_lead", "cancelled"])
    assert [each.outcome for each in view.decided] == ["cancelled"]


async def test_a_ticket_that_is_cancelled_while_it_is_escalated_takes_back_what_it_has_ordered(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED), faults={"crm.log_interaction": says_no}) as ticket:
        await ticket.run.asked()
        standing = ticket.books().replacements
        await ticket.run.cancel("he has withdrawn it")
        ending = await ticket.run.ending()
        states, books = await ticket.run.states(), ticket.books()

    assert (ending.state, states[-3:]) == ("cancelled", ["logging", "escalated", "cancelled"])
    assert (standing, books) == (1, UNTOUCHED)


async def test_a_replacement_that_cannot_be_taken_back_is_named_for_good(temporal: WorkflowEnvironment) -> None:
    faults: Faults = {"crm.log_interaction": says_no, "orders.cancel_replacement": says_no}
    async with a_ticket(temporal, EMIL, proposes(REPLACED), faults=faults) as ticket:
        await ticket.run.decides(Verdict.ABANDON, by="sam")
        await ticket.run.decides(Verdict.ABANDON, by="sam", number=2)
        ending = await ticket.run.ending()
        books = ticket.books()

    assert (ending.state, books.replacements) == ("undo_incomplete", 1)
    assert ending.reason.startswith("abandoned by sam: not undone: the replacement of LIV-0760")


@pytest.mark.parametrize(
    "faults",
    [
        {"crm.notes_of_customer": says_no},
        {"orders.find_order": says_no},
        {"documentation.search": refuses},
        {"orders.find_order": [None, None, says_no]},
        {"crm.log_interaction": says_no},
        {"crm.interactions_of_customer": says_no},
    ],
    ids=["querying_crm", "checking_order", "searching", "resolving", "logging", "verifying"],
)
async def test_a_step_that_failed_is_taken_again_when_people_say_retry(
    temporal: WorkflowEnvironment, faults: dict[str, Any]
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED), faults=faults) as ticket:
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.RETRY, by="sam")
        ending = await ticket.run.ending()
        books = ticket.books()

    assert [each.role for each in request.obligations] == ["support_lead"]
    assert ending.state == "replaced"
    assert books == Books(logged="replaced", note_ids="[4]", told="replaced", mails=1, replacements=1)


async def test_a_question_that_claude_rejects_is_asked_again_when_people_say_retry(
    temporal: WorkflowEnvironment,
) -> None:
    rejected = ClaudeRejected("400: prompt is wrong", "req_7")
    async with a_ticket(temporal, EMIL, rejected, proposes(EXPLAINED)) as ticket:
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.RETRY, by="sam")
        ending = await ticket.run.ending()

    assert request.title.startswith("Claude support_escalation/deciding: ClaudeRejected: 400")
    assert ending.state == "explained"


@pytest.mark.parametrize(
    ("faults", "calls"),
    [
        ({"mail.confirm_resolution": loses_the_answer}, ("mail.confirm_resolution", 2)),
        ({"orders.place_replacement": loses_the_answer}, ("orders.place_replacement", 2)),
        ({"mail.confirm_resolution": is_away}, ("mail.confirm_resolution", 2)),
    ],
)
async def test_an_answer_that_was_lost_doubles_nothing(
    temporal: WorkflowEnvironment, faults: dict[str, Any], calls: tuple[str, int]
) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED), faults=faults) as ticket:
        ending = await ticket.run.ending()
        books = ticket.books()

    assert (ending.state, ticket.shop.called.count(calls[0])) == ("replaced", calls[1])
    assert books == Books(logged="replaced", note_ids="[4]", told="replaced", mails=1, replacements=1)


# The mail service.


async def test_a_confirmation_that_does_not_leave_is_tried_again_ten_minutes_later(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, EMIL, proposes(EXPLAINED), faults={"mail.confirm_resolution": says_no}) as ticket:
        await until_it_pauses(ticket.run)
        await ticket.story.fast_forward(ticket.run, TEN_MINUTES)
        ending = await ticket.run.ending()
        states, books = await ticket.run.states(), ticket.books()

    assert (ending.state, states[-4:-1]) == ("explained", ["confirming", "confirming", "verifying"])
    assert (books.told, books.mails) == ("explained", 1)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [(Verdict.RETRY, "explained"), (Verdict.SKIP, "")],
    ids=["tried once more", "never told"],
)
async def test_a_mail_service_that_stays_down_is_put_to_people_who_may_go_on_without_it(
    temporal: WorkflowEnvironment, verdict: Verdict, told: str
) -> None:
    faults: Faults = {"mail.confirm_resolution": [says_no, says_no, says_no]}
    async with a_ticket(temporal, EMIL, proposes(EXPLAINED), faults=faults) as ticket:
        for times in (1, 2):
            await until_it_pauses(ticket.run, times)
            await ticket.story.fast_forward(ticket.run, TEN_MINUTES)
        request = await ticket.run.asked()
        await ticket.run.decides(verdict, by="sam")
        ending = await ticket.run.ending()
        books = ticket.books()

    assert request.title == "mail.confirm_resolution ended as said_no: not today"
    assert request.options == (Verdict.RETRY, Verdict.SKIP, Verdict.ABANDON)
    assert (ending.state, books.told) == ("explained", told)


# What is read back.


async def test_a_replacement_that_somebody_has_cancelled_meanwhile_is_found_out(temporal: WorkflowEnvironment) -> None:
    async with a_ticket(temporal, EMIL, proposes(REPLACED), held="mail.confirm_resolution") as ticket:
        await ticket.shop.until_called("mail.confirm_resolution")
        OrderBook(ticket.shop.data).replacements.cancel("A-28", "LIV-0760", ticket.run.handle.id)
        ticket.shop.hold["mail.confirm_resolution"].set()
        request = await ticket.run.asked()

    assert request.title == (
        "the books do not say what should be: orders has 'cancelled' at /replacements/0/status, not 'ordered'"
    )
    assert request.options == (Verdict.RETRY, Verdict.TAKE_OVER, Verdict.ABANDON)
