"""The refund automation, told as stories: where no person is needed."""

from temporalio.testing import WorkflowEnvironment

from contracts.tools import Delivered
from tests.doubles import RulesInTurn, ScriptedClaude, says_no
from tests.workflows.refund_world import FORBID_CREDITS, READS_FIRST, Books, a_refund, advises, rules

EFFECTS_OF_A_REFUND = ["payments.issue_credit", "orders.mark_refunded", "mail.confirm_refund"]


async def test_a_small_refund_is_issued_without_asking_anyone(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 4000) as refund:
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert (ending.state, ending.reason) == ("refunded", "40.00 EUR credited for order A-17")
    assert states == ["intake", "assessing", "ruling", "issuing", "verifying", "refunded"]
    assert refund.toolbox.effects() == EFFECTS_OF_A_REFUND
    assert refund.books.credits == [4000]


async def test_an_order_that_is_refunded_already_is_declined_without_asking_claude(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 4000, books=Books(credits=[4000])) as refund:
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert (ending.state, ending.reason) == ("declined", "order A-17 has been refunded already")
    assert states == ["intake", "declined"]
    assert refund.claude.questions == []


async def test_a_refund_is_declined_when_claude_finds_nothing_owed(temporal: WorkflowEnvironment) -> None:
    claude = ScriptedClaude([READS_FIRST, advises(0, "the photos show no damage")])
    async with a_refund(temporal, claude=claude) as refund:
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert (ending.state, ending.reason) == ("declined", "nothing is owed: the photos show no damage")
    assert states == ["intake", "assessing", "declined"]
    assert refund.toolbox.effects() == []


async def test_claude_may_advise_more_than_the_order_was_worth_but_never_gets_it(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 900_000, books=Books(total_cents=3000)) as refund:
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert refund.books.credits == [3000]


async def test_a_credit_that_policy_forbids_is_declined(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 600_000, limit_cents=800_000) as refund:
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states == ["intake", "assessing", "ruling", "declined"]
    assert ending.reason == "forbidden by refund-day-over-5000, refund-over-5000"
    assert refund.toolbox.effects() == []


async def test_a_credit_is_declined_when_policy_comes_to_forbid_it_after_it_ruled(
    temporal: WorkflowEnvironment,
) -> None:
    policy = RulesInTurn("issue_credit", [rules(), rules(FORBID_CREDITS)])
    async with a_refund(temporal, 4000, policy=policy) as refund:
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[-2:] == ["issuing", "declined"]
    assert ending.reason == "the credit was not issued: forbidden by no-credits-today"
    assert refund.toolbox.effects() == []


async def test_a_credit_is_reversed_when_the_order_cannot_be_marked(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded=says_no("the order is locked"))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert (ending.state, ending.reason) == ("reversed", "the order could not be marked: the order is locked")
    assert states[-3:] == ["issuing", "compensating", "reversed"]
    assert toolbox.effects() == [
        "payments.issue_credit",
        "orders.mark_refunded",
        "orders.unmark_refunded",
        "payments.reverse_credit",
    ]
    assert books.credits == []


async def test_the_customer_is_told_with_the_order_and_the_amount_and_nothing_that_was_read(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 4000) as refund:
        await refund.run.ending()

    [letter] = refund.toolbox.arguments_of("mail.confirm_refund")
    assert {name: letter[name] for name in letter.keys() - {"idempotency_key"}} == {"order_id": "A-17", "cents": 4000}


async def test_a_credit_whose_answer_cannot_be_read_was_issued_all_the_same(temporal: WorkflowEnvironment) -> None:
    books = Books()

    def credit_and_mumble(arguments: dict[str, int]) -> Delivered:
        books.credits.append(arguments["cents"])
        return Delivered(unreadable="3 MB of answer")

    toolbox = books.toolbox(payments__issue_credit=credit_and_mumble)
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert toolbox.effects() == EFFECTS_OF_A_REFUND


async def test_a_second_run_for_the_same_order_ends_before_it_does_anything(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        second = await refund.story.start("refund", order_id="A-17")
        ending = await second.ending()

    assert ending.state == "cancelled"
    assert "was started before" in ending.reason
    assert refund.toolbox.effects() == []
