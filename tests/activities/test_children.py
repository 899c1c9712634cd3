"""Child runs: what a run may start, by whose word a child is one, and what its parent cannot do for it."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.budgets import Whose
from activities.children import NO_ENDING, ChildActivities, Relative
from activities.claude import ClaudeActivities
from activities.context_files import ContextFiles
from activities.conversations import RunKey
from activities.deciding import DecisionActivities
from activities.freezes import FROZEN
from activities.people import PeopleActivities
from activities.starts import StartActivities
from contracts.budgets import BUDGET_SPENT, OUTER_BUDGET_SPENT, Amounts
from contracts.canonical import digest
from contracts.children import UNDER_WAY, ChildToFind, ChildToStart, EnteredChild
from contracts.claude import TurnRequest, Usage
from contracts.decisions import Check, DecisionsToCheck, RequestToClose, Verdict
from contracts.freezing import FreezeScope
from contracts.runs import MAX_INPUT_BYTES, MOST_AROUND, Ancestor, Ending, Registered, RunToRegister, StartStatement
from tests.activities.bench import NINE, PRODUCTION, RUN, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox, ScriptedClaude, says
from workers.resources.store.spending import count_turn

REQUEST: dict[str, JsonValue] = {"order_id": "A-18"}
RITA, DESK = Signer("rita"), Signer("desk", service=True)
PARENT = Ancestor(**RUN.model_dump(), automation="claim")
OTHER = RunKey(workflow_id="claim/other", first_run_id="other-1")
WANTED = ChildToStart(automation="refund", business_key="A-18", request=REQUEST, step="credit")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Production; the desk has asked for a claim for Rita, on behalf of Nora."""
    async with a_bench(RecordingToolbox({}), registered=False, deployment=PRODUCTION) as opened:
        opened.authority.people = roster_of(RITA, DESK)
        await registered(opened, claimed())
        yield opened


def claimed(**changes: Any) -> StartStatement:
    """What the desk signs for the claim."""
    asked = {"automation": "claim", "business_key": "A-17", "input_digest": digest(REQUEST), "issued_at": NINE}
    named = {"requester": "rita", "deployment": PRODUCTION.id, "workflow_id": RUN.workflow_id}
    return DESK.starts(StartStatement.model_validate(asked | named | changes), on_behalf_of=("nora",))


async def registered(bench: Bench, start: StartStatement, **changes: Any) -> Registered:
    """What becomes of a run that comes with this statement; by default the one that it names."""
    where = {"workflow_id": start.workflow_id, "run_id": RUN.first_run_id} | changes
    environment = bench.environment(**where)
    environment.info = dataclasses.replace(environment.info, workflow_type=start.automation)
    wanted = RunToRegister(start=start, request=dict(REQUEST))
    return await environment.run(bench.bound(StartActivities).register_run, wanted)


async def entered(bench: Bench, **changes: Any) -> EnteredChild:
    """What the claim is told that wants to start a refund."""
    wanted = WANTED.model_copy(update=changes)
    return await bench.environment().run(bench.bound(ChildActivities).enter_child, wanted)


async def a_child(bench: Bench, parent: RunKey | None = RUN, **changes: Any) -> StartStatement:
    """Entered by the claim, and started by `parent` as Temporal says."""
    start = (await entered(bench, **changes)).start
    assert start is not None
    child = RunKey(workflow_id=start.workflow_id, first_run_id="child-1")
    bench.families.relatives[start.workflow_id] = Relative(run=child, parent=parent)
    return start


async def test_a_child_is_asked_for_by_whoever_asked_for_its_parent_and_is_the_same_one_again(bench: Bench) -> None:
    first = await entered(bench)
    bench.clock.forward(timedelta(hours=1))
    again = await entered(bench)
    other = await entered(bench, occurrence="2", business_key="A-19")

    start = first.start
    assert start is not None
    assert again == first
    assert start.workflow_id.startswith("refund/A-18~")
    assert (start.requester, start.on_behalf_of, start.signer) == ("rita", ("nora",), "desk")
    assert (start.signature, start.nonce, start.inside) == (None, "", (PARENT,))
    assert other.start is not None
    assert other.start.workflow_id != start.workflow_id


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"automation": "errand"}, "runs of 'claim' may not start 'errand'", id="not named"),
        pytest.param({"business_key": ""}, "the business key of 'refund' has 0 characters", id="no case"),
        pytest.param({"business_key": "x" * 281}, "has 281 characters, not 1 to 280", id="an endless case"),
        pytest.param({"request": {"order_id": "x" * MAX_INPUT_BYTES}}, "at most 32768 are taken", id="too much"),
    ],
)
async def test_what_a_run_may_not_start_is_not_entered(bench: Bench, changes: dict[str, Any], says: str) -> None:
    assert says in (await entered(bench, **changes)).refused


async def test_a_run_stands_neither_inside_its_own_kind_nor_deeper_than_four(bench: Bench) -> None:
    bench.may_start = dict.fromkeys(("claim", "b", "c", "d", "refund"), ("refund", "b", "c", "d", "e", "claim"))
    around: tuple[Ancestor, ...] = ()
    for depth, automation in enumerate(("b", "c", "d", "e")):
        outer = RUN if depth == 0 else RunKey(workflow_id=around[-1].workflow_id, first_run_id=f"run-{depth}")
        wanted = WANTED.model_copy(update={"automation": automation, "business_key": f"A-{depth}"})
        environment = bench.environment(outer.first_run_id, outer.workflow_id)
        told = await environment.run(bench.bound(ChildActivities).enter_child, wanted)
        if told.start is None:
            break
        own = await environment.run(
            bench.bound(ChildActivities).enter_child, wanted.model_copy(update={"automation": "claim", "step": "own"})
        )
        assert own.refused.startswith("a run may not stand inside its own kind: claim > ")
        child = RunKey(workflow_id=told.start.workflow_id, first_run_id=f"run-{depth + 1}")
        bench.families.relatives[child.workflow_id] = Relative(run=child, parent=outer)
        assert (await registered(bench, told.start, run_id=child.first_run_id)).refused == ""
        around = (*around, Ancestor(**child.model_dump(), automation=automation))

    assert len(around) == MOST_AROUND
    assert told.refused == "at most 4 runs stand inside each other: claim > b > c > d > e"


async def test_one_step_starts_one_child_whatever_is_asked_for_next(bench: Bench) -> None:
    await entered(bench)
    other = await entered(bench, request={"order_id": "A-18", "limit_cents": 1})

    assert (other.start, other.another) == (None, True)
    assert "has started refund/A-18~" in other.refused


async def test_without_a_start_record_nothing_is_entered(bench: Bench) -> None:
    enter = bench.bound(ChildActivities).enter_child
    with pytest.raises(ApplicationError, match="no start record") as refused:
        await bench.environment("an impostor").run(enter, WANTED)
    assert refused.value.non_retryable


@pytest.mark.parametrize("frozen", ["claim", "refund"])
async def test_a_freeze_over_either_of_them_holds_the_child(bench: Bench, frozen: str) -> None:
    await bench.store.freezes.freeze(RITA.freezes(PRODUCTION.id, NINE, FreezeScope.AUTOMATION, frozen), (), NINE)
    with pytest.raises(ApplicationError) as held:
        await entered(bench)
    assert (held.value.type, held.value.non_retryable) == (FROZEN, False)


async def test_a_case_is_taken_from_nobody_but_an_earlier_child_of_the_same_step_that_is_over(bench: Bench) -> None:
    start = await a_child(bench)
    assert (await registered(bench, start, run_id="child-1")).refused == ""
    from_another_step = await entered(bench, step="another")
    under_way = await entered(bench, occurrence="2")
    await bench.store.starts.end(RunKey(workflow_id=start.workflow_id, first_run_id="child-1"), "cancelled", NINE)
    over = await entered(bench, occurrence="2")

    assert from_another_step.refused == f"refund 'A-18' was started before: {start.workflow_id} (child-1)"
    assert under_way.refused.startswith(f"{start.workflow_id} has no ending yet")
    assert over.start is not None
    assert over.start.again == f"tried again by {RUN.workflow_id}"


# Whose word makes a child.


async def test_a_child_that_its_parent_has_entered_and_started_is_registered_again_and_again(bench: Bench) -> None:
    bench.most_active_runs = 1
    start = await a_child(bench)
    first = await registered(bench, start, run_id="child-1")
    again = await registered(bench, start, run_id="child-1")
    record = await bench.store.starts.find(RunKey(workflow_id=start.workflow_id, first_run_id="child-1"))

    assert (first.refused, again.refused) == ("", "")
    assert record is not None
    assert record.start == start
    assert (await entered(bench)).begun


@pytest.mark.parametrize("parent", [None, OTHER], ids=["nobody", "another run"])
async def test_a_run_that_temporal_does_not_call_the_child_of_its_parent_is_none(
    bench: Bench, parent: RunKey | None
) -> None:
    start = await a_child(bench, parent)
    refused = (await registered(bench, start, run_id="child-1")).refused
    assert refused == f"it was not started by {RUN.workflow_id}, whose child it says it is"


@pytest.mark.parametrize(
    "changes",
    [
        {"requester": "nora"},
        {"on_behalf_of": ()},
        {"signer": ""},
        {"again": "once more"},
        {"inside": (Ancestor(**OTHER.model_dump(), automation="claim"), PARENT)},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_child_is_exactly_what_its_parent_has_entered(bench: Bench, changes: dict[str, Any]) -> None:
    start = await a_child(bench)
    refused = (await registered(bench, start.model_copy(update=changes), run_id="child-1")).refused
    assert refused == "no run has entered this one as its child; start it with `interlock runs start`"


async def test_nobodys_signature_makes_a_child(bench: Bench) -> None:
    await entered(bench)
    signed = RITA.starts(claimed(automation="refund", workflow_id="refund/A-18"), on_behalf_of=(), inside=(PARENT,))
    bench.families.relatives["refund/A-18"] = Relative(
        run=RunKey(workflow_id="refund/A-18", first_run_id="c"), parent=RUN
    )
    assert (await registered(bench, signed, run_id="c")).refused.startswith("no run has entered this one")


async def test_a_child_whose_parent_has_ended_since_does_not_begin(bench: Bench) -> None:
    start = await a_child(bench)
    await bench.store.starts.end(RUN, "terminated", NINE + timedelta(minutes=1))
    refused = (await registered(bench, start, run_id="child-1")).refused
    assert refused == f"{RUN.workflow_id}, whose child this was to be, has ended since (terminated)"


async def test_of_two_runs_one_becomes_the_child(bench: Bench) -> None:
    start = await a_child(bench)
    await registered(bench, start, run_id="child-1")
    await bench.store.starts.end(RunKey(workflow_id=start.workflow_id, first_run_id="child-1"), "refunded", NINE)
    refused = (await registered(bench, start, run_id="child-2")).refused
    assert refused != ""
    assert await bench.store.starts.find(RunKey(workflow_id=start.workflow_id, first_run_id="child-2")) is None


# What a parent cannot do for its child.


async def test_a_parent_neither_answers_nor_closes_what_its_child_asks(bench: Bench) -> None:
    start = await a_child(bench)
    await registered(bench, start, run_id="child-1")
    child = {"workflow_id": start.workflow_id, "first_run_id": "child-1"}
    decision = bench.decision(digest(b"a credit"), approval_id=f"{start.workflow_id}#1", **child)
    entry = await bench.asks_for(decision, **child)
    closing = RequestToClose(request_id=entry.request_id, outcome="approved", by="dana")
    await bench.environment().run(bench.bound(PeopleActivities).close_request, closing)
    checked = await bench.environment().run(
        bench.bound(DecisionActivities).check_decisions, DecisionsToCheck(arrived=(decision,))
    )
    standing = await bench.store.inbox.find(entry.request_id, "child-1")

    assert standing is not None
    assert standing.closed_at is None
    assert [(each.counts, each.check) for each in checked.checked] == [(False, Check.RUN)]
    assert decision.verdict is Verdict.APPROVE


# Found again.


def relative(start: StartStatement, **changes: Any) -> Relative:
    """What Temporal says of the child."""
    child = RunKey(workflow_id=start.workflow_id, first_run_id="child-1")
    return Relative(run=child, parent=RUN).model_copy(update=changes)


async def found(bench: Bench, start: StartStatement, attempt: int = 1) -> Ending:
    """What the claim is told of it."""
    environment = bench.environment(attempt=attempt)
    return await environment.run(bench.bound(ChildActivities).find_ending, ChildToFind(workflow_id=start.workflow_id))


async def test_a_child_that_is_under_way_is_looked_for_again_more_and_more_seldom(bench: Bench) -> None:
    start = await a_child(bench)
    delays = []
    for attempt in (1, 7, 900):
        with pytest.raises(ApplicationError) as waits:
            await found(bench, start, attempt)
        assert (waits.value.type, waits.value.non_retryable) == (UNDER_WAY, False)
        delays.append(waits.value.next_retry_delay)
    assert delays == [timedelta(seconds=1), timedelta(seconds=7), timedelta(seconds=30)]


@pytest.mark.parametrize("is_registered", [True, False])
async def test_the_ending_of_a_child_is_that_of_the_run_which_was_registered_or_started(
    bench: Bench, is_registered: bool
) -> None:
    start = await a_child(bench)
    if is_registered:
        await registered(bench, start, run_id="child-1")
    ending = Ending(state="refunded")
    bench.families.relatives[start.workflow_id] = relative(start, closed=True, ending=ending)
    assert await found(bench, start) == ending


@pytest.mark.parametrize(
    ("changes", "is_registered"),
    [
        ({"closed": True}, True),
        ({"parent": OTHER, "ending": Ending(state="refunded"), "closed": True}, False),
        ({"run": RunKey(workflow_id="x", first_run_id="forged"), "ending": Ending(state="x"), "closed": True}, True),
    ],
    ids=["it has none", "of another parent", "of another run"],
)
async def test_what_is_no_ending_of_the_child_is_not_taken_for_one(
    bench: Bench, changes: dict[str, Any], is_registered: bool
) -> None:
    start = await a_child(bench)
    if is_registered:
        await registered(bench, start, run_id="child-1")
    bench.families.relatives[start.workflow_id] = relative(start, **changes)
    with pytest.raises(ApplicationError) as lost:
        await found(bench, start)
    assert (lost.value.type, lost.value.non_retryable) == (NO_ENDING, True)


# What it may spend.


@pytest.fixture
def pages(tmp_path: Path) -> ContextFiles:
    """Two turns for a claim and what is inside it, five for a refund."""
    for automation, turns in (("claim", 2), ("refund", 5)):
        (tmp_path / automation).mkdir()
        (tmp_path / automation / "context.toml").write_text(f"[budget.run]\nturns = {turns}\n")
    return ContextFiles([tmp_path])


async def spends(bench: Bench, run: RunKey, turns: int) -> None:
    """So many answers of Claude are counted for it."""
    start = await bench.store.starts.find(run)
    assert start is not None
    standing = await bench.budgeting().standing(run, start, bench.clock.at)
    for _ in range(turns):
        await bench.store._database.write(
            lambda connection: count_turn(connection, run, standing.spender, Usage(output_tokens=10), bench.clock.at)
        )


async def test_what_a_child_spends_its_parent_has_spent_and_the_day_counts_it_once(
    bench: Bench, pages: ContextFiles
) -> None:
    bench.contexts = pages
    start = await a_child(bench)
    await registered(bench, start, run_id="child-1")
    child = RunKey(workflow_id=start.workflow_id, first_run_id="child-1")
    await spends(bench, child, 1)
    of_the_claim = await bench.store.budgets.account(RUN, "rita", "claim", "2026-11-20")
    of_the_refund = await bench.store.budgets.account(child, "rita", "refund", "2026-11-20")

    assert (of_the_claim.run.turns, of_the_claim.run.tokens, of_the_claim.day) == (1, 10, Amounts())
    assert (of_the_refund.run.turns, of_the_refund.day.turns) == (1, 1)


async def test_a_child_asks_claude_no_more_once_a_budget_around_it_is_spent(bench: Bench, pages: ContextFiles) -> None:
    bench.contexts = pages
    bench.claude = ScriptedClaude([says("yes")])
    start = await a_child(bench)
    await registered(bench, start, run_id="child-1")
    child = RunKey(workflow_id=start.workflow_id, first_run_id="child-1")
    await spends(bench, child, 2)
    record = await bench.store.starts.find(child)
    assert record is not None
    standing = await bench.budgeting().standing(child, record, bench.clock.at)
    more = standing.with_added(Amounts(turns=10))
    turn = TurnRequest(conversation="c", turn=0, prompt="refund/assessing", state="assessing")
    with pytest.raises(ApplicationError) as spent:
        await bench.environment("child-1", child.workflow_id).run(bench.bound(ClaudeActivities).ask_claude, turn)
    with pytest.raises(ApplicationError) as of_the_claim:
        await entered(bench, step="another", business_key="A-20")

    assert (standing.exhausted, more.exhausted_around) == ("", standing.exhausted_around)
    assert [line.of for line in standing.lines if line.whose is Whose.AROUND] == [RUN.workflow_id]
    assert (spent.value.type, spent.value.message) == (
        OUTER_BUDGET_SPENT,
        f"a budget around this run is spent, and only there it can be extended: 2 of 2 turns of {RUN.workflow_id}",
    )
    assert of_the_claim.value.type == BUDGET_SPENT
    assert bench.claude.questions == []
