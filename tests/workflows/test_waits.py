"""Runs that wait for the world outside: visibly, until a moment, and unharmed by whatever arrives meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from cli.watching import run_lines
from contracts.canonical import digest
from contracts.decisions import Verdict
from contracts.runs import StartStatement
from contracts.tools import EffectClass, Undoes
from tests.doubles import RecordingToolbox, ScriptedClaude, says
from tests.story import StoryRun, a_story
from workers.settings import REPOSITORY
from workflows.catalog import Catalog
from workflows.machine.automation import Automation
from workflows.machine.definition import MachineDefinitionError

OUTSIDE = REPOSITORY / "demo" / "automations"
CREDIT, REVERSAL, MAIL = "payments.issue_credit", "payments.reverse_credit", "mail.send_mail"
ORDER: JsonValue = {
    "customer_id": "C-7",
    "customer_name": "Dana",
    "customer_email": "dana@example.com",
    "currency": "EUR",
}


@asynccontextmanager
async def awaiting_goods(environment: WorkflowEnvironment) -> AsyncIterator[tuple[StoryRun, RecordingToolbox]]:
    """An early refund that was credited, and waits for the goods."""
    toolbox = RecordingToolbox(
        {"orders.find_order": ORDER, CREDIT: {}, REVERSAL: {}, MAIL: {}},
        classes=dict.fromkeys((CREDIT, REVERSAL, MAIL), EffectClass.KEYED),
        undoes={REVERSAL: Undoes(tool="issue_credit", same=("order_id", "reference"))},
    )
    claude = ScriptedClaude([says('{"body": "Send it back."}')])
    async with a_story(environment, claude, toolbox, outside=OUTSIDE) as story:
        run = await story.start("early_refund", order_id="A-21", cents=8900)
        await run.decides(Verdict.APPROVE, by="fiona")
        await run.until(lambda view: view.wait is not None)
        yield run, toolbox


async def test_what_a_run_waits_for_is_shown_until_it_comes_and_what_nobody_understands_changes_nothing(
    temporal: WorkflowEnvironment,
) -> None:
    async with awaiting_goods(temporal) as (run, toolbox):
        await run.handle.signal("arrived", {"intact": "perhaps"})
        await run.handle.signal("arrived", args=[])
        await run.handle.signal("departed", True)
        waiting, details = await run.view(), await run.details()
        await run.handle.signal("arrived", False)
        ending = await run.ending()
        over = await run.view()

    assert waiting.wait is not None
    until = waiting.wait.until
    assert until == waiting.path[-1].at + timedelta(weeks=2)
    assert f"#### Waiting for the goods\n- until: {until:%Y-%m-%d %H:%M} UTC" in details
    assert [line for line in run_lines(waiting) if line.startswith("waits for the goods until ")]
    assert (ending.state, ending.reason, over.wait) == ("reversed", "the goods came back damaged", None)
    assert toolbox.effects() == [CREDIT, MAIL, REVERSAL]


async def test_a_run_that_is_cancelled_while_it_waits_undoes_what_it_did(temporal: WorkflowEnvironment) -> None:
    async with awaiting_goods(temporal) as (run, toolbox):
        await run.cancel()
        ending = await run.ending()
        view = await run.view()

    assert (ending.state, view.undone, view.wait) == ("cancelled", ("the credit",), None)
    assert toolbox.effects() == [CREDIT, MAIL, REVERSAL]


def crediting() -> Automation[Any]:
    """An early refund in a state that does not wait, outside of any server."""
    entry = Catalog.load(OUTSIDE).find("early_refund")
    asked = entry.request.model_validate({"order_id": "A-21", "cents": 8900})
    start = StartStatement(
        requester="rita",
        automation="early_refund",
        business_key="A-21",
        input_digest=digest(asked.model_dump(mode="json")),
        issued_at=datetime(2026, 11, 20, tzinfo=UTC),
    )
    return entry.workflow(entry.first_case(asked, start).model_copy(update={"state": "crediting"}))


async def test_only_a_state_that_is_named_as_waiting_waits() -> None:
    with pytest.raises(MachineDefinitionError, match=r"CREDITING.*waits for the goods; name it in waiting=\("):
        await crediting().wait_until(datetime.now(UTC), "the goods")


def test_only_what_a_case_declares_is_noted() -> None:
    with pytest.raises(AttributeError, match="EarlyRefundCase has no field 'intakt' to note; declare it there"):
        crediting().note(intakt=True)
