"""A claim and the refund inside it: authority, taint and budgets pass down and never widen; cancelling reaches both."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from cli.watching import run_lines
from contracts.audit import AuditKind
from contracts.decisions import RequestKind, Verdict
from contracts.deployment import Mode
from contracts.roster import Roster
from contracts.runs import Ancestor
from contracts.tools import Taint
from tests.activities.people import person
from tests.authority import Signer, roster_of
from tests.doubles import ScriptedClaude, in_turn, says, says_no
from tests.story import DEPLOYMENT
from tests.workflows.claim_world import CREDITED, a_claim, desk, named, until_continued, verified
from tests.workflows.refund_world import FORBID_CREDITS, READS_FIRST, Books, advises

pytestmark = pytest.mark.many

PRODUCTION = DEPLOYMENT.model_copy(update={"mode": Mode.PRODUCTION})


async def test_what_a_claim_credits_is_a_run_of_its_own_and_the_claim_goes_on_with_its_ending(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_claim(temporal, 4000) as claim:
        ending = await claim.run.ending()
        view, child = await claim.run.view(), await claim.child()
        inner, record = await child.view(), await claim.record(child)
        parent = await named(claim.run)
        entered = await claim.told(claim.run, AuditKind.CHILD_ENTERED)
        began = await claim.told(child, AuditKind.RUN_STARTED)
        attributes = await claim.run.search_attributes(), await child.search_attributes()
        details = await claim.run.details(), await child.details()
        report = verified(claim.story)

    [known] = view.child_runs
    assert (ending.state, ending.reason.split(":")[0]) == ("settled", "the refund ended as refunded")
    assert (known.step, known.ending, inner.state, inner.parent) == ("credit", "refunded", "refunded", view.workflow_id)
    assert record is not None
    assert (record.start.requester, record.start.signature) == ("rita", None)
    assert record.start.inside == (Ancestor(**parent.model_dump(), automation="claim"),)
    assert view.taint == inner.taint == ("private", "untrusted"), "the refund has read both"
    assert claim.toolbox.effects() == CREDITED
    assert [each.about for each in entered] == [child.handle.id]
    assert [each.facts["parent"] for each in began] == [view.workflow_id]
    assert attributes[0]["InterlockRequester"] == attributes[1]["InterlockRequester"]
    assert attributes[1]["InterlockAutomation"] == "refund"
    assert f"| credit: {child.handle.id} | refunded |" in details[0].replace("\\", "")
    assert f"| inside the run | {view.workflow_id} |" in details[1].replace("\\", "")
    assert f"child run, credit: {child.handle.id}, refunded" in [*run_lines(view)]
    assert f"inside the run: {view.workflow_id}" in [*run_lines(inner)]
    assert report.found == 0, report


async def test_what_a_child_asks_is_decided_by_nobody_who_may_not_decide_for_its_parent(
    temporal: WorkflowEnvironment,
) -> None:
    people = tuple(person(name, "finance_manager") for name in ("dana", "rita", "clara", "olga"))
    roster = Roster(people=people, owners={"claim": ("clara",), "refund": ("olga",)})
    async with a_claim(temporal, 64000, roster=roster) as claim:
        child = await claim.child()
        request = await child.asked()
        asking = await claim.run.until(lambda view: view.child_runs[0].asks)
        details, shown = await claim.run.details(), [*run_lines(asking)]
        await claim.run.handle.signal("child_asks", {"workflow_id": "refund/of another", "asks": "everything"})
        await claim.run.handle.signal("child_asks", args=[])
        decision = await child.decision(Verdict.APPROVE)
        to_the_parent = await claim.run.refused(decision)
        refused = {
            name: await child.refused(decision.model_copy(update={"approver": name}))
            for name in ("rita", "clara", "olga")
        }
        await child.decides(Verdict.APPROVE)
        ending = await claim.run.ending()
        over = await claim.run.view()

    assert [each.asks for each in over.child_runs] == [""]
    assert request.kind is RequestKind.APPROVAL
    assert f"interlock runs show {child.handle.id}" in details
    assert "it asks people: " in details
    assert request.title.rstrip("?") in details.replace("\\", "")
    assert f"child run, credit: {child.handle.id}, under way; it asks {request.id}: {request.title}" in shown
    assert to_the_parent == f"{request.id!r} is not open in this run; open: nothing"
    assert "asked for this run" in refused["rita"]
    assert "owns the automation 'claim'" in refused["clara"]
    assert "owns the automation 'refund'" in refused["olga"]
    assert ending.state == "settled"
    assert claim.toolbox.effects() == CREDITED


async def test_in_production_a_child_is_proved_by_its_parents_record_and_what_it_asks_by_signatures(
    temporal: WorkflowEnvironment,
) -> None:
    rita, dana, front = Signer("rita"), Signer("dana", ("finance_manager",)), Signer("front", service=True)
    people: dict[str, Any] = {"roster": roster_of(rita, dana, front), "signer": rita, "deployment": PRODUCTION}
    async with a_claim(temporal, 64000, **people) as claim:
        child = await claim.child()
        unsigned = await child.decision(Verdict.APPROVE, deployment=PRODUCTION.id)
        refused = await child.refused(unsigned)
        own = await child.refused(rita.signed(unsigned))
        await child.sends(dana.signed(unsigned))
        ending = await claim.run.ending()

    assert "unsigned decisions count in development mode only" in refused
    assert "asked for this run" in own
    assert ending.state == "settled"


async def test_what_a_child_is_refused_is_an_ending_like_any_other(temporal: WorkflowEnvironment) -> None:
    async with a_claim(temporal, 4000, rules=(FORBID_CREDITS,)) as claim:
        ending = await claim.run.ending()
        inner = await (await claim.child()).view()

    assert (ending.state, inner.state) == ("unsettled", "declined")
    assert "no-credits-today" in ending.reason
    assert claim.toolbox.effects() == ["desk.take_note"]


async def test_a_rule_may_say_what_holds_for_a_refund_inside_a_claim(temporal: WorkflowEnvironment) -> None:
    never = '@id("no-credit-inside") forbid(principal, action == Action::"payments.issue_credit", resource)'
    async with a_claim(temporal, 4000, rules=(f'{never} when {{ context.inside.contains("claim") }};',)) as claim:
        ending = await claim.run.ending()

    assert (ending.state, "no-credit-inside" in ending.reason) == ("unsettled", True)


async def test_a_claim_that_is_cancelled_cancels_its_refund_and_waits_for_what_that_undoes(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = desk(books)
    release = toolbox.holding("orders.mark_refunded")
    async with a_claim(temporal, 4000, books=books, toolbox=toolbox) as claim:
        await toolbox.until_called("orders.mark_refunded")
        await claim.run.cancel()
        child = await claim.child()
        before = list(toolbox.effects())
        release.set()
        ending, inner = await claim.run.ending(), await child.ending()
        view = await claim.run.view()

    assert before == CREDITED[:3]
    assert (ending.state, inner.state, [each.ending for each in view.child_runs]) == (
        "cancelled",
        "cancelled",
        ["cancelled"],
    )
    assert toolbox.effects()[3:] == ["orders.unmark_refunded", "payments.reverse_credit", "desk.strike_note"]
    assert books.credits == []


async def test_a_refund_that_people_cancel_is_put_to_the_owners_of_the_claim_and_begins_anew_when_they_say_so(
    temporal: WorkflowEnvironment,
) -> None:
    claude = ScriptedClaude([READS_FIRST, advises(64000), READS_FIRST, advises(4000)])
    async with a_claim(temporal, claude=claude) as claim:
        first = await claim.child()
        await first.asked()
        await first.cancel("the wrong customer")
        request = await claim.run.asked()
        await claim.run.decides(Verdict.RETRY)
        ending = await claim.run.ending()
        second = await claim.child(2)
        record = await claim.record(second)

    assert request.title.startswith("the refund ended as cancelled: cancelled: the wrong customer")
    assert (ending.state, first.handle.id != second.handle.id) == ("settled", True)
    assert record is not None
    assert record.start.again == f"tried again by {claim.run.handle.id}"
    assert claim.toolbox.effects() == CREDITED


async def test_a_case_that_somebody_else_has_started_is_not_taken_from_them(temporal: WorkflowEnvironment) -> None:
    books, claude = Books(), ScriptedClaude([READS_FIRST, advises(64000)])
    toolbox = desk(books)
    release = toolbox.holding("desk.take_note")
    async with a_claim(temporal, books=books, toolbox=toolbox, claude=claude) as claim:
        await toolbox.until_called("desk.take_note")
        other = await claim.story.start("refund", order_id=claim.order_id, requester="erik")
        await other.asked()
        release.set()
        request = await claim.run.asked()
        await claim.run.decides(Verdict.ABANDON)
        ending = await claim.run.ending()
        view = await claim.run.view()
        await other.decides(Verdict.REJECT)
        await other.ending()

    assert request.title.startswith(f"refund '{claim.order_id}' was started before: {other.handle.id} (")
    assert (ending.state, view.child_runs) == ("cancelled", ())
    assert toolbox.effects() == ["desk.take_note", "desk.strike_note"]


async def test_a_child_begins_with_what_its_parent_has_read_and_its_parent_hears_of_what_it_reads(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = desk(books := Books())
    release = toolbox.holding("orders.find_order")
    async with a_claim(temporal, 4000, books=books, toolbox=toolbox, reads=True) as claim:
        await toolbox.until_called("orders.find_order")
        child = await claim.child()
        early = await claim.told(child, AuditKind.TAINTED)
        while_reading = await claim.taints(claim.run)
        shown = (await child.view()).taint
        release.set()
        await claim.run.ending()
        late = await claim.told(claim.run, AuditKind.TAINTED)
        report = verified(claim.story)

    assert (early[0].about, early[0].facts["taint"], shown) == (claim.run.handle.id, "untrusted", ("untrusted",))
    assert while_reading == {Taint.UNTRUSTED, Taint.PRIVATE}, "before the child has its answer"
    assert [(each.about, each.facts["taint"]) for each in late] == [
        ("crm.read_complaint", "untrusted"),
        (child.handle.id, "private"),
    ]
    assert report.found == 0, report


@pytest.fixture
def pages(tmp_path: Path) -> ContextFiles:
    """Two turns for a claim and everything inside it; a refund by itself may take as many as it likes."""
    (tmp_path / "claim").mkdir()
    (tmp_path / "claim" / "context.toml").write_text("[budget.run]\nturns = 2\n")
    return ContextFiles([tmp_path])


async def test_a_child_spends_no_more_than_its_parent_has_left_and_only_there_it_can_be_extended(
    temporal: WorkflowEnvironment, pages: ContextFiles
) -> None:
    claude = ScriptedClaude([says("It can."), READS_FIRST, READS_FIRST, advises(4000)])
    async with a_claim(temporal, claude=claude, contexts=pages, asks=True) as claim:
        child = await claim.child()
        request = await child.asked()
        left = await claim.story.ports.budgets.account(await named(claim.run), "rita", "claim", "2026-11-20")
        await child.decides(Verdict.ABANDON, by="erik")
        escalated = await claim.run.asked()
        await claim.run.decides(Verdict.RETRY)
        spent = await claim.run.asked(2)
        await claim.run.decides(Verdict.EXTEND, number=2, value='{"turns": 2}')
        ending = await claim.run.ending()

    around = f"2 of 2 turns of {claim.run.handle.id}"
    assert request.title.endswith(f"a budget around this run is spent, and only there it can be extended: {around}")
    assert Verdict.EXTEND not in request.options
    assert left.run.turns == 2
    assert escalated.title.startswith("the refund ended as cancelled: abandoned by erik")
    assert (spent.title, Verdict.EXTEND in spent.options) == (
        "the budget is spent: 2 of 2 turns for this run",
        True,
    )
    assert ending.state == "settled"
    assert len(claude.questions) == 4


async def test_a_child_that_somebody_terminates_is_put_to_the_people_of_its_parent(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_claim(temporal, 64000) as claim:
        child = await claim.child()
        await child.asked()
        await child.handle.terminate("a test")
        request = await claim.run.asked()
        view = await claim.run.view()
        await claim.run.decides(Verdict.ABANDON)
        ending = await claim.run.ending()

    assert request.title == f"{child.handle.id}: somebody terminated it; what it did is not undone"
    assert [(each.ending) for each in view.child_runs] == ["lost"]
    assert (ending.state, claim.toolbox.effects()) == ("cancelled", ["desk.take_note", "desk.strike_note"])


async def test_a_parent_does_not_continue_as_new_while_its_child_is_under_way_and_the_child_does(
    suggesting: WorkflowEnvironment,
) -> None:
    toolbox = desk(books := Books(), desk__ring=in_turn(says_no("nobody answers"), {"rung": True}))
    async with a_claim(suggesting, 64000, books=books, toolbox=toolbox, rings=True) as claim:
        child, parent = await claim.child(), await named(claim.run)
        await child.asked()
        await claim.run.asked()
        for number in range(12):
            await claim.run.signals({"junk": number})
        await claim.run.until(lambda view: view.refused_count == 12)
        waiting = await claim.run.handle.describe()
        first, now = (await child.view()).first_run_id, (await child.handle.describe()).run_id
        await child.decides(Verdict.APPROVE)
        await until_continued(claim.run, parent.first_run_id)  # as soon as its child is over
        await claim.run.decides(Verdict.RETRY)
        ending = await claim.run.ending()

    assert waiting.run_id == parent.first_run_id
    assert now != first, "the child waits for people, and continues as new"
    assert (ending.state, books.credits) == ("settled", [64000])


async def test_a_claim_and_its_refund_replay_at_every_task(temporal: WorkflowEnvironment) -> None:
    async with a_claim(temporal, 64000, cached_runs=0, reads=True) as claim:
        child = await claim.child()
        await child.decides(Verdict.APPROVE)
        ending = await claim.run.ending()

    assert ending.state == "settled"
