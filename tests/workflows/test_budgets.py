"""Runs that have spent their budget: they wait for a person, who lets them spend more, or not."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from contracts.decisions import RequestKind, Verdict
from contracts.roster import Roster
from tests.activities.people import person
from tests.workflows.errand_world import DONE, FIND, READ, an_errand
from tests.workflows.refund_world import a_refund
from workflows.steps import StepFailed

SPENT = "the budget is spent: 2 of 2 turns for this run"


@pytest.fixture
def pages(tmp_path: Path) -> ContextFiles:
    """Two turns for an errand, one for a refund."""
    for automation, turns in (("errand", 2), ("refund", 1)):
        (tmp_path / automation).mkdir()
        (tmp_path / automation / "context.toml").write_text(f"[budget.run]\nturns = {turns}\n")
    return ContextFiles([tmp_path])


async def test_an_errand_that_has_spent_its_budget_goes_on_when_its_owners_extend_it(
    temporal: WorkflowEnvironment, pages: ContextFiles
) -> None:
    roster = Roster(people=(person("dana", "support_lead"), person("fay", "clerk"), person("rita", "support_lead")))
    async with an_errand(temporal, (FIND,), (READ,), DONE, contexts=pages, roster=roster) as errand:
        request = await errand.run.asked()
        asked_so_far = len(errand.claude.questions)
        more: dict[str, Any] = {"value": '{"turns": 1}'}
        unentitled = await errand.run.refused(await errand.run.decision(Verdict.EXTEND, by="fay", **more))
        own = await errand.run.refused(await errand.run.decision(Verdict.EXTEND, by="rita", **more))
        unreadable = await errand.run.refused(await errand.run.decision(Verdict.EXTEND, value='{"turn": 1}'))
        await errand.run.decides(Verdict.EXTEND, value='{"tokens": 9}')
        again = await errand.run.asked(2)
        asked_meanwhile = len(errand.claude.questions)
        await errand.run.decides(Verdict.EXTEND, number=2, **more)
        ending = await errand.run.ending()
        states, view = await errand.run.states(), await errand.run.view()

    assert (request.kind, request.title) == (RequestKind.ESCALATION, SPENT)
    assert request.options == (Verdict.EXTEND, Verdict.RETRY, Verdict.ABANDON)
    assert "cannot decide as support_lead" in unentitled
    assert "asked for this run" in own
    assert unreadable.startswith("turn: Extra inputs are not permitted; say how much more by JSON such as")
    assert again.title == (
        f"the word of 'dana' does not count: it is not enough, {SPENT}; add at least turns=1; still: {SPENT}"
    )
    assert (asked_so_far, asked_meanwhile, len(errand.claude.questions)) == (2, 2, 3)
    assert states[-4:] == ["escalated", "escalated", "thinking", "answered"]
    assert ending.state == "answered"
    assert (view.turns, view.usage.all_tokens, view.usage.cost_micros) == (3, 360, 1500)


async def test_a_state_that_is_acted_in_again_pays_for_no_turn_twice_and_counts_it_once(
    temporal: WorkflowEnvironment, pages: ContextFiles
) -> None:
    async with a_refund(temporal, 0, contexts=pages) as refund:
        await refund.run.asked()
        await refund.run.decides(Verdict.EXTEND)
        ending = await refund.run.ending()
        view, details = await refund.run.view(), await refund.run.details()

    assert ending.state == "declined"
    assert len(refund.claude.questions) == view.turns == 2
    assert view.usage.all_tokens == 240
    assert "| tokens in, out | 200, 40 |" in details
    assert "| read from the cache | 0 % of the tokens in |" in details


def test_whatever_a_state_says_of_failed_steps_a_spent_budget_is_put_to_people_first() -> None:
    assert StepFailed("Claude errand/thinking", SPENT, extendable=True).ask_people


async def test_a_run_whose_budget_nobody_extends_may_be_abandoned(
    temporal: WorkflowEnvironment, pages: ContextFiles
) -> None:
    async with an_errand(temporal, (FIND,), (READ,), DONE, contexts=pages) as errand:
        await errand.run.decides(Verdict.RETRY)
        second = await errand.run.asked(2)
        await errand.run.decides(Verdict.ABANDON, number=2)
        ending = await errand.run.ending()

    assert second.title == SPENT, "trying again does not help before there is something to spend"
    assert (ending.state, ending.reason) == ("cancelled", f"abandoned by dana: {SPENT}")
    assert len(errand.claude.questions) == 2
