"""Errands that must be signed: calls wait for people while others go on, and Claude is told what became of them."""

from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.doubles import RulesInTurn, ScriptedClaude, asks_for
from tests.story import a_story
from tests.workflows.errand_world import DONE, FIND, MAIL, NOTE, OTHER_MAIL, an_errand, tools
from tests.workflows.refund_world import rules

pytestmark = pytest.mark.many


async def test_a_call_waits_for_approval_while_the_others_of_its_turn_are_made(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL, FIND, NOTE), DONE) as errand:
        request = await errand.run.asked()
        await errand.run.in_state("awaiting_approval")
        assert sorted(errand.toolbox.called) == ["crm.add_note", "orders.find_order"]
        await errand.run.decides(Verdict.APPROVE)
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert request.title == "May Claude call mail.send_mail?"
    assert [obligation.role for obligation in request.obligations] == ["support_lead"]
    assert ending.state == "answered"
    assert errand.toolbox.effects() == ["crm.add_note", "mail.send_mail"]
    assert states == ["thinking", "calling", "awaiting_approval", "calling", "thinking", "answered"]
    assert errand.told()[0] == ('{"sent": true}', False)


async def test_two_waiting_calls_are_decided_in_any_order(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL, OTHER_MAIL), DONE) as errand:
        first, second = await errand.run.asked(1), await errand.run.asked(2)
        assert first.action_digest != second.action_digest
        await errand.run.decides(Verdict.APPROVE, number=2)
        await errand.run.until(lambda view: view.tool_calls == 3)
        assert len(errand.toolbox.effects()) == 1
        await errand.run.decides(Verdict.REJECT, number=1, note="not to Dana")
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert len(errand.toolbox.effects()) == 1
    told = errand.told()
    assert sorted(told) == [("not made: rejected by dana: not to Dana", True), ('{"sent": true}', False)]


async def test_a_decision_counts_for_the_call_it_shows_and_for_no_other(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL, OTHER_MAIL), DONE) as errand:
        shown = [await errand.run.asked(1), await errand.run.asked(2)]
        contents = [await errand.story.store.contents.get(request.action_digest) for request in shown]
        erik = next(request for request, content in zip(shown, contents, strict=True) if b"erik@" in (content or b""))
        number = shown.index(erik) + 1
        await errand.run.decides(Verdict.APPROVE, number=number)
        await errand.run.decides(Verdict.REJECT, number=3 - number)
        await errand.run.ending()

    assert [arguments["to"] for arguments in errand.toolbox.arguments] == ["erik@example.com"]


async def test_claude_is_told_that_a_call_was_rejected_and_why(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL,), DONE) as errand:
        await errand.run.decides(Verdict.REJECT, note="write in French")
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.toolbox.called == []
    assert errand.told() == [("not made: rejected by dana: write in French", True)]


async def test_claude_is_told_that_a_call_was_returned_with_a_question(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL,), (OTHER_MAIL,), DONE) as errand:
        await errand.run.decides(Verdict.RETURN, note="is it not Erik's?")
        await errand.run.decides(Verdict.APPROVE, number=2)
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.told(1) == [("not made: returned by dana: is it not Erik's?", True)]
    assert [arguments["to"] for arguments in errand.toolbox.arguments] == ["erik@example.com"]


async def test_claude_is_told_that_nobody_answered_within_a_day(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (MAIL,), DONE) as errand:
        await errand.run.asked()
        await errand.story.fast_forward(errand.run, timedelta(days=1, minutes=1))
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.toolbox.called == []
    assert errand.told() == [("not made: expired", True)]


async def test_a_call_that_policy_comes_to_forbid_while_people_think_is_not_made(temporal: WorkflowEnvironment) -> None:
    forbid = '@id("no-mail-today") forbid(principal, action == Action::"mail.send_mail", resource);'
    policy = RulesInTurn("send_mail", [rules(), rules(forbid)])
    claude = ScriptedClaude([asks_for(MAIL), DONE])
    toolbox = tools()
    async with a_story(temporal, claude, toolbox, policy=policy) as story:
        run = await story.start("errand", goal="Write to Dana.", servers=("mail",))
        await run.decides(Verdict.APPROVE)
        ending = await run.ending()

    assert ending.state == "answered"
    assert toolbox.called == []
    content = claude.questions[-1].messages[-1]["content"]
    assert isinstance(content, list) and isinstance(content[0], dict)
    assert content[0]["content"] == "not made, forbidden: forbidden by no-mail-today"
