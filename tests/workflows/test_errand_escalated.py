"""Errands that cannot go on by themselves, or are stopped: a person chooses, and nothing in doubt is executed."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeRejected
from activities.toolbox import NotSent, OutcomeUnknown
from contracts.decisions import RequestKind, Verdict
from contracts.tools import EffectClass
from tests.doubles import RecordingToolbox, ScriptedClaude, answer_of, asks_for
from tests.workflows.errand_world import DONE, FIND, MAIL, NOTE, an_errand, tools

pytestmark = pytest.mark.many

HALF_A_DAY = timedelta(hours=12, minutes=2)
CLOSED = NotSent("closed", retry_after_seconds=3600)


@pytest.mark.parametrize("stop_reason", ["max_tokens", "model_context_window_exceeded"])
async def test_tools_of_an_incomplete_answer_are_never_executed(
    temporal: WorkflowEnvironment, stop_reason: str
) -> None:
    async with an_errand(temporal, answer_of(asks_for(NOTE), stop_reason), DONE) as errand:
        request = await errand.run.asked()
        await errand.run.decides(Verdict.RETRY)
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert request.title == f"the answer is incomplete: {stop_reason}"
    assert states == ["thinking", "escalated", "thinking", "answered"]
    assert ending.state == "answered"
    assert errand.toolbox.called == []
    assert errand.told() == [("this call was not made", True)]


async def test_a_request_claude_rejects_escalates_and_may_be_abandoned(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, ClaudeRejected("403: spend limit", "req_9")) as errand:
        request = await errand.run.asked()
        await errand.run.decides(Verdict.ABANDON, by="erik")
        ending = await errand.run.ending()

    assert request.title == "Claude errand/thinking: ClaudeRejected: 403: spend limit (request req_9)"
    assert [obligation.role for obligation in request.obligations] == ["support_lead"]
    assert ending.state == "cancelled"
    assert ending.reason.startswith("abandoned by erik: Claude errand/thinking: ClaudeRejected: 403")


def a_lost_note() -> RecordingToolbox:
    """Notes that are taken or not: nobody knows, and nothing tells one note from its double."""
    toolbox = tools(crm__add_note=OutcomeUnknown("the wire went silent"))
    toolbox.classes = {**toolbox.classes, "crm.add_note": EffectClass.OPAQUE}
    return toolbox


async def test_a_call_nobody_knows_about_is_found_out_once_its_siblings_are_over(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = a_lost_note()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (NOTE, FIND), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("orders.find_order")
        view = await errand.run.until(lambda seen: seen.tool_calls == 1)
        assert view.state == "calling", "no call is left behind in flight"
        release.set()
        request = await errand.run.asked()
        await errand.run.decides(Verdict.ABANDON)
        ending = await errand.run.ending()

    assert request.kind is RequestKind.OUTCOME
    assert request.title.startswith("nobody knows whether crm.add_note happened")
    assert request.options == (Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN, Verdict.ABANDON)
    assert ending.state == "cancelled"
    assert toolbox.called.count("crm.add_note") == 1, "what may have happened is never sent again"


async def test_claude_is_told_what_a_person_found_out_to_have_happened(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (NOTE, FIND), DONE, toolbox=a_lost_note()) as errand:
        await errand.run.decides(Verdict.HAPPENED, note="note 7 on the card of Dana Reeves")
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.told()[0] == ("dana says: it happened; note 7 on the card of Dana Reeves", False)
    assert errand.toolbox.called.count("crm.add_note") == 1


async def test_claude_is_told_what_did_not_happen_and_may_ask_for_it_again(temporal: WorkflowEnvironment) -> None:
    toolbox = a_lost_note()
    async with an_errand(temporal, (NOTE,), (NOTE,), DONE, toolbox=toolbox) as errand:
        await errand.run.decides(Verdict.DID_NOT_HAPPEN)
        toolbox.answers = {**toolbox.answers, "crm.add_note": {"noted": True}}
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.told(1) == [("not made, not_happened: dana says: it did not happen", True)]
    first, second = toolbox.keys_of("crm.add_note")
    assert first != second


async def test_a_tool_out_of_reach_for_half_a_day_escalates_and_is_tried_again_on_retry(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools(crm__add_note=CLOSED)
    async with an_errand(temporal, (NOTE,), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("crm.add_note")
        await errand.story.fast_forward(errand.run, HALF_A_DAY)
        request = await errand.run.asked()
        toolbox.answers = {**toolbox.answers, "crm.add_note": {"noted": True}}
        await errand.run.decides(Verdict.RETRY)
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert request.kind is RequestKind.ESCALATION
    assert "crm cannot be reached" in request.title
    assert states[1:4] == ["calling", "escalated", "calling"]
    assert ending.state == "answered"


async def test_a_call_that_could_not_be_made_may_be_skipped_and_claude_is_told(temporal: WorkflowEnvironment) -> None:
    toolbox = tools(crm__add_note=CLOSED)
    async with an_errand(temporal, (NOTE,), DONE, toolbox=toolbox) as errand:
        await toolbox.until_called("crm.add_note")
        await errand.story.fast_forward(errand.run, HALF_A_DAY)
        await errand.run.decides(Verdict.SKIP)
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert "nobody knows whether this happened" in str(errand.claude.questions[-1].messages[-1])


async def test_approvals_are_asked_for_anew_after_an_escalation(temporal: WorkflowEnvironment) -> None:
    """Another call of the turn escalates while one waits: the request is withdrawn, not forgotten."""
    toolbox = a_lost_note()
    release = toolbox.holding("crm.add_note")
    async with an_errand(temporal, (MAIL, NOTE), DONE, toolbox=toolbox) as errand:
        early = await errand.run.decision(Verdict.APPROVE, number=1)
        await toolbox.until_called("crm.add_note")
        release.set()
        escalation = await errand.run.asked(2)
        why = await errand.run.refused(early)
        await errand.run.decides(Verdict.ABANDON, number=2)
        ending = await errand.run.ending()

    assert escalation.kind is RequestKind.OUTCOME
    assert "#1 was withdrawn at " in why
    assert ending.state == "cancelled"
    assert "mail.send_mail" not in toolbox.called


async def test_an_errand_cancelled_while_it_calls_waits_for_every_call_in_flight(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    first, second = toolbox.holding("crm.add_note"), toolbox.holding("orders.find_order")
    async with an_errand(temporal, (NOTE, FIND), DONE, toolbox=toolbox) as errand:
        await asyncio.gather(toolbox.until_called("crm.add_note"), toolbox.until_called("orders.find_order"))
        await errand.run.cancel()
        first.set()
        view = await errand.run.until(lambda seen: seen.tool_calls == 1)
        assert view.state == "calling"
        second.set()
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert ending.state == "cancelled"
    assert states == ["thinking", "calling", "cancelled"]
    assert len(errand.claude.questions) == 1


async def test_an_errand_cancelled_while_claude_thinks_ends_as_cancelled(temporal: WorkflowEnvironment) -> None:
    claude = ScriptedClaude([DONE], hold=asyncio.Event())
    async with an_errand(temporal, claude=claude) as errand:
        await claude.until_asked()
        await errand.run.cancel()
        ending = await errand.run.ending()

    assert ending.state == "cancelled"


async def test_an_errand_cancelled_while_people_think_sends_nothing(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL,), DONE) as errand:
        await errand.run.in_state("awaiting_approval")
        await errand.run.cancel()
        ending = await errand.run.ending()

    assert ending.state == "cancelled"
    assert errand.toolbox.called == []


async def test_an_errand_cancelled_while_escalated_ends_as_cancelled(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, ClaudeRejected("400", "req_9")) as errand:
        await errand.run.asked()
        await errand.run.cancel()
        ending = await errand.run.ending()

    assert ending.state == "cancelled"
