"""Early refunds: whatever becomes of the goods, and of the people who sign."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from contracts.tools import EffectClass, Undoes
from tests.doubles import Answer, RecordingToolbox, ScriptedClaude, says, says_no
from tests.story import StoryRun, a_story

CREDIT, REVERSAL, MAIL = "payments.issue_credit", "payments.reverse_credit", "mail.send_mail"
TOOLS: dict[str, JsonValue] = {
    "orders.find_order": {
        "customer_id": "C-7",
        "customer_name": "Dana",
        "customer_email": "dana@example.com",
        "currency": "EUR",
    },
    CREDIT: {"status": "issued"},
    REVERSAL: {"reversed": 1},
    MAIL: {"sent": True},
}


@asynccontextmanager
async def early_refund(
    temporal: WorkflowEnvironment, outside: Path, other_answers: Mapping[str, Answer] | None = None
) -> AsyncIterator[tuple[StoryRun, RecordingToolbox]]:
    """A run that asks people for its credit, and the tools it calls."""
    toolbox = RecordingToolbox(
        {**TOOLS, **(other_answers or {})},
        classes=dict.fromkeys((CREDIT, REVERSAL, MAIL), EffectClass.KEYED),
        undoes={REVERSAL: Undoes(tool="issue_credit", same=("order_id", "reference"))},
    )
    claude = ScriptedClaude([says('{"body": "Send it back within two weeks."}')])
    async with a_story(temporal, claude, toolbox, outside=outside) as story:
        yield await story.start("early_refund", order_id="A-21", cents=8900), toolbox


async def awaiting_goods(run: StoryRun) -> None:
    await run.decides(Verdict.APPROVE, by="fiona")
    await run.in_state("awaiting_goods")


async def test_goods_that_come_back_settle_it(temporal: WorkflowEnvironment, outside: Path) -> None:
    async with early_refund(temporal, outside) as (run, toolbox):
        await awaiting_goods(run)
        view = await run.view()
        await run.story.fast_forward(run, timedelta(days=13))
        await run.handle.signal("arrived", True)
        ending = await run.ending()

    assert view.wait is not None
    assert (view.wait.what, view.wait.until - view.path[-1].at) == ("the goods", timedelta(days=14))
    assert ending.state == "returned"
    assert toolbox.effects() == [CREDIT, MAIL]


async def test_goods_that_do_not_come_back_are_charged_again(temporal: WorkflowEnvironment, outside: Path) -> None:
    async with early_refund(temporal, outside) as (run, toolbox):
        await awaiting_goods(run)
        await run.story.fast_forward(run, timedelta(days=14, minutes=1))
        ending = await run.ending()
        view = await run.view()

    assert (ending.state, ending.reason) == ("reversed", "the goods did not come back")
    assert view.undone == ("the credit",)
    assert toolbox.effects() == [CREDIT, MAIL, REVERSAL]


async def test_a_rejected_refund_does_nothing(temporal: WorkflowEnvironment, outside: Path) -> None:
    async with early_refund(temporal, outside) as (run, toolbox):
        await run.decides(Verdict.REJECT, by="fiona")
        ending = await run.ending()

    assert ending.state == "rejected"
    assert toolbox.effects() == []


async def test_a_credit_that_nobody_can_be_told_of_is_undone(temporal: WorkflowEnvironment, outside: Path) -> None:
    async with early_refund(temporal, outside, {MAIL: says_no("the mailbox is full")}) as (run, toolbox):
        await run.decides(Verdict.APPROVE, by="fiona")
        ending = await run.ending()

    assert ending.state == "reversed"
    assert toolbox.effects() == [CREDIT, MAIL, REVERSAL]
