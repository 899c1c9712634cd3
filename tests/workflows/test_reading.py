"""Reads are made at once, within the workflow task; whatever is slow, held or no read has an activity of its own."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.testing import WorkflowEnvironment

from activities.keys import idempotency_key
from contracts.claude import TurnRequest
from contracts.decisions import Verdict
from contracts.tools import EffectClass, ToolCall
from contracts.wire import DATA_CONVERTER
from tests.doubles import WAITS_SECONDS, ScriptedClaude, asks_for
from tests.story import DEPLOYMENT, StoryRun
from tests.workflows.errand_world import DONE, FIND, MAIL, NOTE, READ, Errand, an_errand, tools
from tests.workflows.refund_world import a_refund
from tests.workflows.test_audit_trail import accounts_of, compared, key_of
from workers.resources.audit.history import disagreements, done_by_run
from workflows.reading import MOST_UNTOLD_VISITS, TRIES, read_at_once

pytestmark = pytest.mark.many

ORDER = ToolCall(server="orders", tool="find_order", arguments={"order_id": "A-17"}, step="find")


async def calls_in_history(run: StoryRun) -> Counter[str]:
    """How often the gate was asked by an activity of its own, and how often within a workflow task."""
    events = (await run.handle.fetch_history()).events
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    return Counter(ordinary=scheduled.count("call_tool"), at_once=len([*filter(_at_once, events)]))


def _at_once(event: HistoryEvent) -> bool:
    marker = event.marker_recorded_event_attributes
    return "data" in marker.details and b'"call_tool"' in marker.details["data"].payloads[0].data


async def questions_of(run: StoryRun) -> list[TurnRequest]:
    """What the activity that asks Claude was given, turn by turn."""
    asked = []
    for event in (await run.handle.fetch_history()).events:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == "ask_claude":
            asked += await DATA_CONVERTER.decode(scheduled.input.payloads, [TurnRequest])
    return asked


async def test_reads_are_made_at_once_and_a_turn_with_an_effect_in_activities_of_their_own(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_errand(temporal, (FIND, READ), (FIND, NOTE), DONE) as errand:
        ending = await errand.run.ending()
        calls = await calls_in_history(errand.run)

    assert ending.state == "answered"
    assert calls == Counter(at_once=2, ordinary=2), "no effect waits for what is read"
    assert [failed for _, failed in errand.told(1)] == [False, False]


async def test_reads_of_a_turn_are_made_side_by_side(temporal: WorkflowEnvironment) -> None:
    toolbox = tools()
    finding, reading = toolbox.holding("orders.find_order"), toolbox.holding("crm.read_complaint")
    async with an_errand(temporal, (FIND, READ), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("orders.find_order")
        await toolbox.until_called("crm.read_complaint")
        finding.set()
        reading.set()
        await errand.run.ending()
        calls = await calls_in_history(errand.run)

    assert calls == Counter(at_once=2)


async def test_a_refund_reads_what_it_words_itself_at_once(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 4000) as refund:
        ending = await refund.run.ending()
        calls = await calls_in_history(refund.run)

    assert ending.state == "refunded"
    assert calls["ordinary"] == len(refund.toolbox.effects())
    assert calls["at_once"] == len(refund.toolbox.called) - len(refund.toolbox.effects())


async def test_a_read_that_takes_too_long_is_made_with_patience_under_the_same_key(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (FIND,), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("orders.find_order")
        toolbox.holding("orders.find_order")
        await toolbox.until_called("orders.find_order")
        release.set()
        ending = await errand.run.ending()
        calls = await calls_in_history(errand.run)
        agreed, _ = await compared(errand.story)

    assert ending.state == "answered"
    assert calls == Counter(at_once=1, ordinary=1)
    key = idempotency_key(DEPLOYMENT.id, key_of(errand.run), "errand", "0.0")
    assert toolbox.keys_of("orders.find_order") == [key, key]
    assert agreed == [], "chain and history tell of one call"


async def test_what_is_no_longer_a_read_is_made_once_in_an_activity_of_its_own(temporal: WorkflowEnvironment) -> None:
    toolbox = tools()
    toolbox.classes = {"crm.add_note": EffectClass.READ}

    def asks_while_the_operator_says_otherwise() -> Any:
        toolbox.classes = {"crm.add_note": EffectClass.KEYED}
        return asks_for(NOTE)

    claude = ScriptedClaude([asks_for(FIND), asks_while_the_operator_says_otherwise, DONE])
    async with an_errand(temporal, claude=claude, toolbox=toolbox) as errand:
        await errand.run.ending()
        calls = await calls_in_history(errand.run)

    assert toolbox.called == ["orders.find_order", "crm.add_note"]
    assert calls == Counter(at_once=2, ordinary=1), "the second was refused at once"


async def test_a_cancel_that_comes_while_something_is_read_is_heeded_right_after(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (FIND,), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("orders.find_order")
        await errand.run.cancel()
        release.set()
        ending = await errand.run.ending()
        calls = await calls_in_history(errand.run)

    assert ending.state == "cancelled"
    assert calls == Counter(at_once=1)
    assert len(errand.claude.questions) <= 2


async def test_a_worker_that_is_stopped_while_something_is_read_leaves_the_run_to_another(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, claude=ScriptedClaude([asks_for(FIND), DONE]), toolbox=toolbox) as errand:
        run = await errand.story.start("errand", goal="Look.", servers=("orders",), turns=3, task_queue="leaving")
        leaving = errand.story.worker("leaving")
        running = asyncio.create_task(leaving.run())
        await toolbox.until_called("orders.find_order")
        stopping = asyncio.create_task(leaving.shutdown())
        release.set()
        await asyncio.wait_for(asyncio.gather(stopping, running), 15)
        async with errand.story.worker("leaving"):
            ending = await run.ending()

    assert ending.state == "answered"


async def test_a_read_that_history_cannot_know_of_is_no_finding_and_any_other_unknown_one_is(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (FIND,), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("orders.find_order")
        await errand.run.handle.terminate("somebody pulled the plug")
        release.set()
        await is_in_the_ledger(errand)
        findings, histories = await compared(errand.story)
        histories.calls[key_of(errand.run)].lost_a_task = False
        _, before = accounts_of(errand.story.store)
        without_excuse = [*disagreements(histories.calls, done_by_run(before), lambda _: set())]

    assert findings == []
    assert len(without_excuse) == 1


async def is_in_the_ledger(errand: Errand) -> None:
    """Wait, boundedly, until the errand's first call is done."""
    key = idempotency_key(DEPLOYMENT.id, key_of(errand.run), "errand", "0.0")
    async with asyncio.timeout(WAITS_SECONDS):
        while (entry := await errand.story.store.ledger.find(key)) is None or not entry.final:
            await asyncio.sleep(0.02)


async def test_claude_is_told_the_situation_once_and_again_when_somebody_has_decided(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_errand(temporal, (FIND,), (MAIL,), (FIND,), DONE, turns=9) as errand:
        await errand.run.decides(Verdict.APPROVE)
        await errand.run.ending()
        questions = await questions_of(errand.run)
        request = (await errand.run.view()).decided[0]

    known = {"goal": "Answer Dana about order A-17.", "servers": "orders, crm, mail"}
    assert [question.facts for question in questions] == [
        known,
        None,
        {**known, request.id: "approved by dana"},
        None,
    ]
    assert [question.turns_left for question in questions] == [8, 7, 6, 5]
    assert [bool(question.tools) for question in questions] == [True, False, False, False]


def a_reader(**known: Any) -> Any:
    """A run that is asked whether it reads at once; where it does, it must be in a workflow."""
    return SimpleNamespace(case=SimpleNamespace(**{"not_at_once": (), "visits": 1, "audited_visits": 1} | known))


async def test_a_tool_that_was_often_too_slow_is_no_longer_tried_at_once() -> None:
    slow = ("orders.find_order",) * TRIES
    assert await read_at_once(a_reader(not_at_once=slow), ORDER, "") is None
    with pytest.raises(Exception, match="Not in workflow event loop"):
        await read_at_once(a_reader(not_at_once=slow[1:]), ORDER, "")


async def test_states_are_told_to_auditors_before_a_run_forgets_them_however_much_it_reads() -> None:
    assert await read_at_once(a_reader(visits=MOST_UNTOLD_VISITS + 2), ORDER, "") is None
    with pytest.raises(Exception, match="Not in workflow event loop"):
        await read_at_once(a_reader(visits=MOST_UNTOLD_VISITS + 1), ORDER, "")
