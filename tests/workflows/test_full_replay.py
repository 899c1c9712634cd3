"""The core of the stories on a worker that remembers nothing: every workflow task replays the whole run."""

from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.doubles import in_turn, says_no
from tests.workflows.errand_world import DONE, FIND, MAIL, NOTE, an_errand
from tests.workflows.refund_world import Books, a_refund


async def test_a_returned_and_approved_refund_survives_replay_at_every_task(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000, 52000, cached_runs=0) as refund:
        await refund.run.signals({"junk": True})
        await refund.run.decides(Verdict.RETURN, note="less")
        await refund.run.decides(Verdict.APPROVE, number=2)
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert refund.books.credits == [52000]


async def test_a_retried_and_reversed_refund_survives_replay_at_every_task(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(
        payments__issue_credit=in_turn(says_no("not yet"), books.credit),
        orders__mark_refunded=says_no("the order is locked"),
    )
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox, cached_runs=0) as refund:
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()

    assert ending.state == "reversed"
    assert books.credits == []


async def test_a_refund_cancelled_with_its_credit_in_flight_survives_replay_at_every_task(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = books.toolbox()
    release = toolbox.holding("payments.issue_credit")
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox, cached_runs=0) as refund:
        await toolbox.until_called("payments.issue_credit")
        await refund.run.cancel()
        release.set()
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert toolbox.effects() == ["payments.issue_credit", "payments.reverse_credit"]


async def test_an_errand_with_calls_side_by_side_survives_replay_at_every_task(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL, FIND, NOTE), DONE, cached_runs=0) as errand:
        await errand.run.decides(Verdict.APPROVE)
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert sorted(errand.toolbox.effects()) == ["crm.add_note", "mail.send_mail"]
