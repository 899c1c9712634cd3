"""The refund inside a support escalation: authority and budgets pass down, and every ending of it leads on."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from activities.conversations import RunKey
from contracts.decisions import Verdict
from contracts.roster import Roster
from demo.mcp_servers.orders.book import OrderBook
from tests.activities.people import person
from tests.demo_servers import says_no
from tests.workflows.support_world import CREDITED, EXPLAINED, NOOR, Books, a_ticket, proposes, refunding

pytestmark = pytest.mark.many

WHOLE_POT: dict[str, Any] = {
    "cents": 6200,
    "promises": [],
    "reason": "the teapot came chipped",
    "page_id": "damaged-goods",
}
MAREK: dict[str, Any] = {
    "ticket": "T-3110",
    "customer_id": "C-8",
    "order_id": "A-18",
    "question": "Everything in this order is broken. I want my money back.",
    "limit_cents": 100_000,
}
"""His order came to 640.00 EUR."""


async def test_what_the_refund_asks_is_answered_there_and_by_nobody_who_may_not_answer_for_the_ticket(
    temporal: WorkflowEnvironment,
) -> None:
    people = tuple(person(name, "finance_manager") for name in ("fiona", "rita", "clara", "olga"))
    roster = Roster(people=people, owners={"support_escalation": ("clara",), "refund": ("olga",)})
    told = (proposes(CREDITED, **WHOLE_POT), *refunding("A-26", 6200))
    async with a_ticket(temporal, NOOR, *told, roster=roster) as ticket:
        child = await ticket.child()
        decision = await child.decision(Verdict.APPROVE, by="fiona")
        to_the_parent = await ticket.run.refused(decision)
        refused = {
            name: await child.refused(decision.model_copy(update={"approver": name}))
            for name in ("rita", "clara", "olga")
        }
        before = ticket.shop.effects()
        await child.sends(decision)
        ending = await ticket.run.ending()
        books = ticket.books()

    assert "is not open in this run" in to_the_parent
    assert "asked for this run" in refused["rita"]
    assert "owns the automation 'support_escalation'" in refused["clara"]
    assert "owns the automation 'refund'" in refused["olga"]
    assert (before, ending.state, books.credited_cents) == ([], "credited", 6200)


async def test_a_refund_gives_no_more_than_was_decided_for_the_ticket_whatever_claude_advises_in_it(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, NOOR, proposes(CREDITED), *refunding("A-26", 9800)) as ticket:
        ending = await ticket.run.ending()
        books = ticket.books()
        record = await ticket.record(await ticket.child())

    assert (record.request["limit_cents"], record.start.requester) == (2000, "rita")
    assert (ending.state, books.credited_cents) == ("credited", 2000)


async def test_inside_a_ticket_not_even_signatures_give_more_than_its_owners_allow(
    temporal: WorkflowEnvironment,
) -> None:
    proposal = proposes(EXPLAINED, resolution="credit", cents=64_000, page_id="damaged-goods", reason="all is broken")
    async with a_ticket(temporal, MAREK, proposal, *refunding("A-18", 64_000)) as ticket:
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.REJECT, by="sam")
        ending = await ticket.run.ending()
        inner, books = await (await ticket.child()).view(), ticket.books()

    assert request.title.startswith("the refund ended as declined: ")
    assert "support-credit-over-500" in request.title
    assert (inner.state, ending.state) == ("declined", "declined")
    assert books == Books(logged="declined", note_ids="[]", told="declined", mails=1)


async def test_a_refund_that_people_reject_is_put_to_a_lead_who_may_choose_a_smaller_one(
    temporal: WorkflowEnvironment,
) -> None:
    told = (proposes(CREDITED, **WHOLE_POT), *refunding("A-26", 6200), *refunding("A-26", 2000))
    value = '{"resolution": "credit", "cents": 2000, "sku": "", "page_id": "goodwill", "reason": "as promised"}'
    async with a_ticket(temporal, NOOR, *told) as ticket:
        first = await ticket.child()
        await first.decides(Verdict.REJECT, by="fiona", note="she keeps the pot")
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.SUPPLY, by="sam", value=value)
        ending = await ticket.run.ending()
        view, books = await ticket.run.view(), ticket.books()

    assert request.title == "the refund ended as rejected: rejected by fiona: she keeps the pot"
    assert [each.ending for each in view.child_runs] == ["rejected", "refunded"]
    assert (ending.state, books.credited_cents) == ("credited", 2000)


async def test_an_order_that_somebody_else_refunds_already_is_put_to_a_lead(temporal: WorkflowEnvironment) -> None:
    told = (proposes(CREDITED), *refunding("A-26", 6200))
    async with a_ticket(temporal, NOOR, *told, held="crm.check_quotes") as ticket:
        await ticket.shop.until_called("crm.check_quotes")
        other = await ticket.story.start("refund", order_id="A-26", requester="erik")
        await other.asked()
        ticket.shop.hold["crm.check_quotes"].set()
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.REJECT, by="sam")
        ending = await ticket.run.ending()
        await other.decides(Verdict.REJECT, by="fiona")
        await other.ending()
        view = await ticket.run.view()

    assert request.title.startswith(f"no refund could be started: refund 'A-26' was started before: {other.handle.id}")
    assert (ending.state, view.child_runs) == ("declined", ())


async def test_a_refund_that_somebody_cancels_is_put_to_a_lead(temporal: WorkflowEnvironment) -> None:
    told = (proposes(CREDITED, **WHOLE_POT), *refunding("A-26", 6200))
    async with a_ticket(temporal, NOOR, *told) as ticket:
        child = await ticket.child()
        await child.asked()
        await child.cancel("the wrong order")
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.REJECT, by="sam")
        ending = await ticket.run.ending()

    assert request.title == "the refund ended as cancelled: cancelled: the wrong order"
    assert ending.state == "declined"


async def test_a_refund_that_leaves_something_undone_is_put_to_people_before_anything_else_is_tried(
    temporal: WorkflowEnvironment,
) -> None:
    faults: dict[str, Any] = {"orders.mark_refunded": says_no, "payments.reverse_credit": says_no}
    told = (proposes(CREDITED), *refunding("A-26", 2000))
    async with a_ticket(temporal, NOOR, *told, faults=faults) as ticket:
        child = await ticket.child()
        await child.decides(Verdict.ABANDON, by="fiona")
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.ABANDON, by="sam")
        ending = await ticket.run.ending()
        books = ticket.books()

    assert request.title.startswith("the refund ended as undo_incomplete: ")
    assert request.options == (Verdict.RETRY, Verdict.ABANDON)
    assert (ending.state, books.credited_cents) == ("cancelled", 2000)


async def test_a_refund_that_somebody_terminates_is_put_to_people(temporal: WorkflowEnvironment) -> None:
    told = (proposes(CREDITED, **WHOLE_POT), *refunding("A-26", 6200))
    async with a_ticket(temporal, NOOR, *told) as ticket:
        child = await ticket.child()
        await child.asked()
        await child.handle.terminate("a test")
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.ABANDON, by="sam")
        ending = await ticket.run.ending()

    assert request.title == f"{child.handle.id}: somebody terminated it; what it did is not undone"
    assert ending.state == "cancelled"


async def test_a_ticket_that_is_cancelled_cancels_its_refund_and_waits_for_what_that_undoes(
    temporal: WorkflowEnvironment,
) -> None:
    told = (proposes(CREDITED), *refunding("A-26", 2000))
    async with a_ticket(temporal, NOOR, *told, held="orders.mark_refunded") as ticket:
        await ticket.shop.until_called("orders.mark_refunded")
        credited = ticket.books().credited_cents
        await ticket.run.cancel("she has withdrawn it")
        child = await ticket.child()
        ticket.shop.hold["orders.mark_refunded"].set()
        ending, inner = await ticket.run.ending(), await child.ending()
        states, books = await ticket.run.states(), ticket.books()

    assert credited == 2000
    assert (ending.state, inner.state, states[-2:]) == ("cancelled", "cancelled", ["resolving", "cancelled"])
    assert books == Books(), "the credit is reversed, and nobody was told"


async def test_a_credit_that_is_not_what_was_promised_is_found_out_and_seen_to_by_hand(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_ticket(temporal, NOOR, proposes(CREDITED), *refunding("A-26", 1500)) as ticket:
        request = await ticket.run.asked()
        await ticket.run.decides(Verdict.TAKE_OVER, by="sam")
        ending = await ticket.run.ending()
        states = await ticket.run.states()

    assert request.title.startswith(
        "the books do not say what should be: payments has 1500 at /total_cents, not 2000; orders has 1500"
    )
    assert (ending.state, states[-3:]) == ("settled_by_hand", ["verifying", "escalated", "settled_by_hand"])


async def test_a_credit_that_somebody_takes_back_meanwhile_is_found_out(temporal: WorkflowEnvironment) -> None:
    told = (proposes(CREDITED), *refunding("A-26", 2000))
    async with a_ticket(temporal, NOOR, *told, held="mail.confirm_resolution") as ticket:
        await ticket.shop.until_called("mail.confirm_resolution")
        OrderBook(ticket.shop.data).unmark_refunded("A-26")
        ticket.shop.hold["mail.confirm_resolution"].set()
        request = await ticket.run.asked()
        OrderBook(ticket.shop.data).mark_refunded("A-26", 2000, "by hand")
        await ticket.run.decides(Verdict.RETRY, by="sam")
        ending = await ticket.run.ending()

    assert request.title == "the books do not say what should be: orders has 0 at /refunded_cents, not 2000"
    assert ending.state == "credited"


# Budgets.


@pytest.fixture
def pages(tmp_path: Path) -> ContextFiles:
    """Three turns for a ticket and everything inside it; a refund by itself may take as many as it likes."""
    (tmp_path / "support_escalation").mkdir()
    (tmp_path / "support_escalation" / "context.toml").write_text("[budget.run]\nturns = 3\n")
    return ContextFiles([tmp_path])


async def test_a_refund_spends_no_more_than_the_ticket_has_left_and_is_not_extended_by_itself(
    temporal: WorkflowEnvironment, pages: ContextFiles
) -> None:
    told = (proposes(CREDITED), *refunding("A-26", 2000))
    async with a_ticket(temporal, NOOR, *told, contexts=pages) as ticket:
        child = await ticket.child()
        request = await child.asked()
        run = RunKey(workflow_id=ticket.run.handle.id, first_run_id=(await ticket.run.view()).first_run_id)
        account = await ticket.story.ports.budgets.account(run, "rita", "support_escalation", "2026-11-20")
        await child.decides(Verdict.ABANDON, by="fiona")
        lead = await ticket.run.asked()
        await ticket.run.decides(Verdict.REJECT, by="sam")
        ending = await ticket.run.ending()
        books = ticket.books()

    assert request.title.endswith(f"only there it can be extended: 3 of 3 turns of {ticket.run.handle.id}")
    assert Verdict.EXTEND not in request.options
    assert account.run.turns == 3, "two of the ticket and one of the refund"
    assert lead.title.startswith("the refund ended as cancelled: abandoned by fiona")
    assert (ending.state, books.credited_cents, books.told) == ("declined", 0, "declined")


async def test_a_ticket_and_its_refund_replay_at_every_task(temporal: WorkflowEnvironment) -> None:
    told = (proposes(CREDITED, **WHOLE_POT), *refunding("A-26", 6200))
    async with a_ticket(temporal, NOOR, *told, cached_runs=0) as ticket:
        child = await ticket.child()
        await child.decides(Verdict.APPROVE, by="fiona")
        ending = await ticket.run.ending()

    assert ending.state == "credited"
