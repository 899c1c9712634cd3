"""Runs in production in which something changes once people have decided: nothing happens, and people are told why."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.canonical import parse_json
from contracts.decisions import Verdict
from contracts.deployment import Mode
from contracts.roster import Roster
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox, ScriptedClaude, asks_for
from tests.story import DEPLOYMENT, Story, StoryRun, a_story
from tests.workflows.errand_world import DONE, MAIL, tools
from tests.workflows.refund_world import Books, claude_advising, rules

pytestmark = pytest.mark.many

PRODUCTION = DEPLOYMENT.model_copy(update={"mode": Mode.PRODUCTION})
RITA, ADA = Signer("rita"), Signer("ada", ("finance_manager",))
DANA, ERIK = (Signer(name, ("finance_manager", "support_lead")) for name in ("dana", "erik"))
EVERYBODY = roster_of(RITA, ADA, DANA, ERIK)
NO_MORE = "the decision of 'dana' does not count: "
READ_AGAIN, GATE_OF_MAIL = "orders.find_order", "mail.*"
"""What happens between a decision and the gate: the facts that people were shown are read, or the tool is looked up."""


@asynccontextmanager
async def in_production(
    temporal: WorkflowEnvironment, claude: ScriptedClaude, toolbox: RecordingToolbox
) -> AsyncIterator[Story]:
    """Everybody has a key, and every tool is pinned."""
    async with a_story(temporal, claude, toolbox, deployment=PRODUCTION, roster=EVERYBODY) as story:
        await story.accept_pins(toolbox)
        yield story


async def signs(run: StoryRun, signer: Signer, number: int = 1, verdict: Verdict = Verdict.APPROVE) -> None:
    """A signed decision arrives as an update."""
    await run.sends(signer.signed(await run.decision(verdict, number=number)))


@asynccontextmanager
async def between_decision_and_gate(run: StoryRun, toolbox: RecordingToolbox, held: str) -> AsyncIterator[None]:
    """Dana signs; what happens inside the block happens before the gate is asked."""
    await run.asked()
    release = toolbox.holding(held)
    await signs(run, DANA)
    await toolbox.until_called(held)
    yield
    release.set()


@dataclass
class Settled:
    """A refund of 640.00 that Dana has signed for, after the change."""

    story: Story
    run: StoryRun
    toolbox: RecordingToolbox
    books: Books


@asynccontextmanager
async def a_signed_refund(
    temporal: WorkflowEnvironment, change: Callable[[Story, RecordingToolbox], None]
) -> AsyncIterator[Settled]:
    """What `change` does happens when Dana has signed and before the gate is asked."""
    books = Books()
    toolbox = books.toolbox()
    async with in_production(temporal, claude_advising(64000), toolbox) as story:
        run = await story.start("refund", order_id="A-17", signer=RITA)
        async with between_decision_and_gate(run, toolbox, READ_AGAIN):
            change(story, toolbox)
        yield Settled(story, run, toolbox, books)


def people(change: Callable[[Roster], Roster]) -> Callable[[Story, RecordingToolbox], None]:
    """Another roster is in force."""

    def changed(story: Story, _: RecordingToolbox) -> None:
        story.authority.people = change(EVERYBODY)

    return changed


def more_rules(text: str) -> Callable[[Story, RecordingToolbox], None]:
    """Our rules are in force, and these."""

    def changed(story: Story, _: RecordingToolbox) -> None:
        story.authority.engine = rules(text)

    return changed


def another_schema(_: Story, toolbox: RecordingToolbox) -> None:
    """The payments server publishes another schema."""
    toolbox.schemas = {"payments.issue_credit": {"type": "object", "description": "cents are euros by now"}}


async def why_again(story: Story, run: StoryRun, number: int) -> str:
    """What people are shown of why they are asked once more."""
    request = await run.asked(number)
    shown = parse_json(await story.store.contents.get(request.display_digest) or b"")
    assert isinstance(shown, dict)
    asked: Any = shown["request"]
    (line,) = [line["text"] for line in asked["context"] if line["label"] == "asked again because"]
    return str(line)


def without(roster: Roster, subject: str, **changes: Any) -> Roster:
    """The roster with something else said of one person."""
    people = tuple(each.model_copy(update=changes) if each.subject == subject else each for each in roster.people)
    return roster.model_copy(update={"people": people})


def revoked(roster: Roster) -> Roster:
    """Dana's key was revoked."""
    key = DANA.person().keys[0].model_copy(update={"revoked_at": datetime(2026, 11, 20, 9, tzinfo=UTC)})
    return without(roster, "dana", keys=(key,))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda roster: without(roster, "dana", roles=()), "'dana' holds no role and cannot decide as finance_manager"),
        (revoked, f"key {DANA.key_id} was revoked at 2026-11-20 09:00:00 UTC"),
        (
            lambda roster: roster.model_copy(update={"owners": {"refund": ("dana",)}}),
            "'dana' owns the automation 'refund' and may not approve what it does",
        ),
    ],
    ids=["role", "key", "owner"],
)
async def test_a_refund_whose_approver_is_no_longer_entitled_is_asked_about_again_with_the_reason(
    temporal: WorkflowEnvironment, change: Callable[[Roster], Roster], said: str
) -> None:
    async with a_signed_refund(temporal, people(change)) as settled:
        why = await why_again(settled.story, settled.run, 2)
        assert settled.toolbox.effects() == []
        await signs(settled.run, ERIK, 2)
        ending = await settled.run.ending()
        states = await settled.run.states()

    assert why == f"the credit was not issued: {NO_MORE}{said}; people must approve: 1 as finance_manager"
    assert states[3:7] == ["awaiting_approval", "issuing", "ruling", "awaiting_approval"]
    assert (ending.state, settled.books.credits) == ("refunded", [64000])


async def test_a_refund_whose_rules_demand_two_by_now_is_asked_about_again(temporal: WorkflowEnvironment) -> None:
    async with a_signed_refund(temporal, more_rules(TWO_SIGN)) as settled:
        why = await why_again(settled.story, settled.run, 2)
        assert settled.toolbox.effects() == []
        await signs(settled.run, DANA, 2)
        await signs(settled.run, ERIK, 2)
        ending = await settled.run.ending()

    assert why == "the credit was not issued: people must approve: 2 as finance_manager"
    assert (ending.state, settled.books.credits) == ("refunded", [64000])


async def test_a_refund_that_is_forbidden_by_now_is_declined_with_the_rule(temporal: WorkflowEnvironment) -> None:
    async with a_signed_refund(temporal, more_rules(NO_CREDITS)) as settled:
        ending = await settled.run.ending()

    assert ending.state == "declined"
    assert ending.reason.startswith("the credit was not issued: forbidden by no-credits-today")
    assert (settled.toolbox.effects(), settled.books.credits) == ([], [])


async def test_a_refund_whose_tool_has_changed_waits_for_a_person_and_names_the_change(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_signed_refund(temporal, another_schema) as settled:
        escalated = await settled.run.asked(2)
        await signs(settled.run, ADA, 2, Verdict.ABANDON)
        ending = await settled.run.ending()

    assert "the credit was not issued: payments.issue_credit has changed since it was accepted: " in escalated.title
    assert "an operator must pin it anew: interlock tools diff" in escalated.title
    assert (ending.state, settled.toolbox.effects()) == ("cancelled", [])


async def test_a_signed_approval_is_void_when_the_order_changed_and_people_see_how(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = books.toolbox()
    async with in_production(temporal, claude_advising(64000, 60000), toolbox) as story:
        run = await story.start("refund", order_id="A-17", signer=RITA)
        await run.asked()
        books.status = "returned to sender"
        await signs(run, DANA)
        why = await why_again(story, run, 2)
        assert toolbox.effects() == []
        await signs(run, ERIK, 2)
        ending = await run.ending()

    assert why == "the order changed: status: delivered -> returned to sender"
    assert (ending.state, books.credits) == ("refunded", [60000])


async def test_nobody_decides_by_the_deadline_and_nothing_happens(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox()
    async with in_production(temporal, claude_advising(64000), toolbox) as story:
        run = await story.start("refund", order_id="A-17", signer=RITA)
        request = await run.asked()
        await story.fast_forward(run, timedelta(days=2))
        ending = await run.ending()
        entry = await story.store.inbox.find(request.id)

    assert (ending.state, ending.reason) == ("expired", "nobody decided in time")
    assert entry is not None
    assert (entry.outcome, toolbox.effects()) == ("expired", [])


async def test_a_mail_whose_approver_is_no_longer_entitled_is_asked_about_again_with_the_reason(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    async with in_production(temporal, claude_asking_for_mail(), toolbox) as story:
        run = await story.start("errand", goal="Answer Dana.", servers=("orders", "mail"), turns=4, signer=RITA)
        async with between_decision_and_gate(run, toolbox, GATE_OF_MAIL):
            story.authority.people = without(EVERYBODY, "dana", roles=())
        why = await why_again(story, run, 2)
        assert toolbox.effects() == []
        await signs(run, ERIK, 2)
        ending = await run.ending()

    said = "'dana' holds no role and cannot decide as support_lead; people must approve: 1 as support_lead"
    assert why == f"{NO_MORE}{said}"
    assert (ending.state, toolbox.effects()) == ("answered", ["mail.send_mail"])


async def test_a_mail_that_another_role_must_sign_as_well_by_now_is_sent_once_both_have(
    temporal: WorkflowEnvironment,
) -> None:
    """Whoever is asked anew is asked for everything: else the two would take turns for ever."""
    toolbox = tools()
    async with in_production(temporal, claude_asking_for_mail(), toolbox) as story:
        run = await story.start("errand", goal="Answer Dana.", servers=("orders", "mail"), turns=4, signer=RITA)
        async with between_decision_and_gate(run, toolbox, GATE_OF_MAIL):
            story.authority.engine = rules(FINANCE_SIGNS_MAIL)
        request = await run.asked(2)
        await signs(run, DANA, 2)
        await signs(run, ADA, 2)
        ending = await run.ending()

    assert sorted(one.role for one in request.obligations) == ["finance_manager", "support_lead"]
    assert (ending.state, toolbox.effects()) == ("answered", ["mail.send_mail"])


def claude_asking_for_mail() -> ScriptedClaude:
    """Claude asks for one mail, and is done."""
    return ScriptedClaude([asks_for(MAIL), DONE])


TWO_SIGN = """
@id("two-sign-since-today") @approve("finance_manager") @quorum("2") @within("PT24H")
forbid(principal, action == Action::"payments.issue_credit", resource)
  unless { context.approvals has finance_manager && context.approvals.finance_manager >= 2 };
"""
FINANCE_SIGNS_MAIL = """
@id("finance-signs-mail") @approve("finance_manager") @quorum("1") @within("PT24H")
forbid(principal, action == Action::"mail.send_mail", resource)
  unless { context.approvals has finance_manager && context.approvals.finance_manager >= 1 };
"""
NO_CREDITS = '@id("no-credits-today") forbid(principal, action == Action::"payments.issue_credit", resource);'
