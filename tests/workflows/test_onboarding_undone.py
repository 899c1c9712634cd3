"""Onboardings that come to nothing: whoever withdraws, is cancelled or cannot go on leaves no account and no ticket."""

from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.demo_servers import Faults, says_no
from tests.workflows.onboarding_world import LENA, NGOZI, Books, Onboarding, an_onboarding, hand_in

pytestmark = pytest.mark.many

NOTHING = Books()


async def until(onboarding: Onboarding, state: str) -> None:
    """The onboarding of somebody whose papers stand waits in this state."""
    if state == "awaiting_first_day":
        await onboarding.sign(1, 2)
    elif state == "awaiting_approval":
        await onboarding.run.asked(2)
    await onboarding.run.in_state(state)


@pytest.mark.parametrize(
    ("state", "undos"),
    [
        ("collecting", []),
        ("awaiting_approval", ["tickets.close_tickets"]),
        ("awaiting_first_day", ["identity.disable_accounts", "tickets.close_tickets"]),
    ],
)
async def test_whoever_withdraws_before_the_first_day_leaves_no_account_and_no_ticket(
    temporal: WorkflowEnvironment, state: str, undos: list[str]
) -> None:
    async with an_onboarding(temporal, LENA if state == "collecting" else NGOZI) as onboarding:
        await until(onboarding, state)
        receipt = await onboarding.withdraws()
        ending = await onboarding.run.ending()
        view, books = await onboarding.run.view(), onboarding.books()

    assert receipt.outcome in ("taken", "known"), "the records may have told the run before"
    assert (ending.state, ending.reason.partition(" has withdrawn: DOC-")[1] != "") == ("withdrawn", True)
    assert [visit.state for visit in view.path][-3:] == [state, "compensating", "withdrawn"]
    assert [name for name in onboarding.company.effects() if name in undos] == undos
    assert (books.open_tickets, books.active_accounts, view.waiting_for) == (0, 0, ())


async def test_nobody_withdraws_by_word_alone(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await until(onboarding, "awaiting_first_day")
        letter = hand_in(onboarding.company.data, "E-2042", "withdrawal")
        why = await onboarding.refuses(letter)
        view, books = await onboarding.run.view(), onboarding.books()

    assert why.endswith(f"no paper '{letter.reference}' stands in the records of E-2043; store it first")
    assert (view.state, books.active_accounts) == ("awaiting_first_day", 2)


async def test_hardware_that_was_handed_out_is_fetched_again(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await until(onboarding, "awaiting_first_day")
        await onboarding.company.says("tickets.finish_ticket", ticket_id="IT-1001")
        await onboarding.withdraws()
        ending = await onboarding.run.ending()
        found = await onboarding.company.says("tickets.tickets_of", employee_id="E-2043")

    assert ending.state == "withdrawn"
    assert [(ticket["kind"], ticket["status"]) for ticket in found["tickets"]] == [
        ("hardware", "done"),
        ("workplace", "closed"),
        ("take_back", "open"),
    ]


@pytest.mark.parametrize(
    ("state", "held", "nth"),
    [
        ("collecting", "people_records.papers_of", 1),
        ("ordering", "tickets.create_ticket", 1),
        ("ruling", "people_records.find_person", 2),
        ("provisioning", "identity.create_account", 1),
        ("awaiting_first_day", "people_records.papers_of", 2),
        ("verifying", "identity.accounts_of", 1),
    ],
)
async def test_an_onboarding_that_is_cancelled_waits_for_the_call_in_flight_and_undoes_what_was_done(
    temporal: WorkflowEnvironment, state: str, held: str, nth: int
) -> None:
    async with an_onboarding(temporal, NGOZI, held=held if nth == 1 else "tickets.create_ticket") as onboarding:
        company = onboarding.company
        if nth == 2:
            await company.until_called("tickets.create_ticket")
            company.holding(held)
            company.hold["tickets.create_ticket"].set()
        if state in ("provisioning", "awaiting_first_day", "verifying"):
            await onboarding.sign(1, 2)
        if state == "verifying":
            await onboarding.run.in_state("awaiting_first_day")
            await onboarding.first_day_comes(timedelta(seconds=1))  # clocks do not skip while an activity runs
        await company.until_called(held)
        await onboarding.run.cancel("the post is gone")
        assert not (await onboarding.run.view()).final, "the call is still under way"
        company.hold[held].set()
        ending = await onboarding.run.ending()
        states, books = await onboarding.run.states(), onboarding.books()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: the post is gone")
    assert states[-2:] == [state, "cancelled"]
    assert books == NOTHING


async def test_an_onboarding_that_is_cancelled_while_people_are_asked_asks_no_more(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await until(onboarding, "awaiting_approval")
        await onboarding.run.cancel("the post is gone")
        ending = await onboarding.run.ending()
        view = await onboarding.run.view()
        why = await onboarding.story.store.inbox.find(f"{onboarding.run.handle.id}#1")
        books = onboarding.books()

    assert (ending.state, view.waiting_for) == ("cancelled", ())
    assert why is not None and why.outcome == "cancelled"
    assert books == NOTHING


async def test_an_onboarding_that_is_cancelled_while_it_is_undone_is_undone_to_the_end(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, NGOZI, held="tickets.close_tickets") as onboarding:
        await until(onboarding, "awaiting_approval")
        await onboarding.withdraws()
        await onboarding.company.until_called("tickets.close_tickets")
        why = await onboarding.refuses(onboarding.hand_in("contract", b"another"))
        await onboarding.run.cancel("the post is gone")
        onboarding.company.hold["tickets.close_tickets"].set()
        ending = await onboarding.run.ending()
        states, books = await onboarding.run.states(), onboarding.books()

    assert why == "the run is compensating, and takes no papers any more"
    assert (ending.state, states[-2:]) == ("cancelled", ["compensating", "cancelled"])
    assert books == NOTHING


# People choose.


@pytest.mark.parametrize(
    ("state", "faults"),
    [
        ("ordering", {"tickets.create_ticket": [None, says_no]}),
        ("ruling", {"people_records.find_person": [None, says_no]}),
        ("awaiting_first_day", {"people_records.papers_of": [None, says_no]}),
        ("verifying", {"tickets.tickets_of": says_no}),
    ],
)
async def test_a_step_that_failed_is_made_again_when_human_resources_say_retry(
    temporal: WorkflowEnvironment, state: str, faults: Faults
) -> None:
    before = state in ("ordering", "ruling")
    async with an_onboarding(temporal, NGOZI, faults=faults) as onboarding:
        if not before:
            await onboarding.sign(1, 2)
        if state == "verifying":
            await onboarding.run.in_state("awaiting_first_day")
            await onboarding.first_day_comes()
        number = 1 if before else 3
        request = await onboarding.run.asked(number)
        noted = await onboarding.withdraws() if state == "ordering" else None
        await onboarding.run.decides(Verdict.RETRY, by="helen", number=number)
        view = await onboarding.run.until(lambda view: view.state != "escalated")
        after = [visit.state for visit in view.path]

    assert [each.role for each in request.obligations] == ["hr_manager"]
    assert after[after.index("escalated") - 1 : after.index("escalated") + 2] == [state, "escalated", state]
    assert noted is None or noted.outcome == "noted"


async def test_books_that_do_not_say_what_should_be_are_put_to_people_who_may_take_over(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await until(onboarding, "awaiting_first_day")
        mine = {"employee_id": "E-2043", "reference": onboarding.run.handle.id}
        await onboarding.company.says("identity.disable_accounts", **mine)
        await onboarding.first_day_comes()
        request = await onboarding.run.asked(3)
        await onboarding.run.decides(Verdict.TAKE_OVER, by="helen", number=3)
        ending = await onboarding.run.ending()

    assert request.title == "the books do not say what should be: identity has 0 at /active_count, not 2"
    assert ending.state == "onboarded"


async def test_an_undo_that_failed_is_tried_again_when_people_say_retry(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, faults={"identity.disable_accounts": says_no}) as onboarding:
        await until(onboarding, "awaiting_first_day")
        await onboarding.withdraws()
        request = await onboarding.run.asked(3)
        await onboarding.run.decides(Verdict.RETRY, by="helen", number=3)
        ending = await onboarding.run.ending()
        states, books = await onboarding.run.states(), onboarding.books()

    assert request.title.startswith("not undone: the accounts, the tickets; undone: nothing; ")
    assert (ending.state, states[-4:]) == ("withdrawn", ["compensating", "escalated", "compensating", "withdrawn"])
    assert books == NOTHING


async def test_what_cannot_be_undone_is_named_for_good(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, faults={"identity.disable_accounts": says_no}) as onboarding:
        await until(onboarding, "awaiting_first_day")
        await onboarding.withdraws()
        await onboarding.run.decides(Verdict.ABANDON, by="helen", number=3)
        ending = await onboarding.run.ending()
        books = onboarding.books()

    assert ending.state == "undo_incomplete"
    assert ending.reason.startswith("abandoned by helen: not undone: the accounts, the tickets")
    assert books == Books(open_tickets=2, active_accounts=2)


async def test_an_onboarding_that_human_resources_abandon_is_undone(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, faults={"tickets.create_ticket": [None, says_no]}) as onboarding:
        await onboarding.run.decides(Verdict.ABANDON, by="helen")
        ending = await onboarding.run.ending()
        books = onboarding.books()

    assert (ending.state, books) == ("cancelled", NOTHING)


async def test_an_onboarding_that_waits_for_people_to_choose_can_be_cancelled(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, faults={"tickets.create_ticket": [None, says_no]}) as onboarding:
        await onboarding.run.in_state("escalated")
        await onboarding.run.asked()
        await onboarding.run.cancel("the post is gone")
        ending = await onboarding.run.ending()
        states, books = await onboarding.run.states(), onboarding.books()

    assert (ending.state, states[-2:], books) == ("cancelled", ["escalated", "cancelled"], NOTHING)


async def test_an_onboarding_waits_visibly_for_people_to_choose(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, faults={"tickets.create_ticket": says_no}) as onboarding:
        await onboarding.run.asked()
        details = await onboarding.run.details()

    assert "Waiting for a choice: tickets.create\\_ticket: hardware ended as said\\_no: not today" in details
