"""The verdict sees every kind of error: each fact that is made wrong is told by its own name."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from temporalio.api.history.v1 import HistoryEvent

from contracts.tools import EffectClass
from tests.faults.bank.journal import Line, What
from tests.faults.board import InFlight
from tests.faults.collect import died_again
from tests.faults.facts import Answered, Facts, LedgerRow
from tests.faults.planned import CLASS_OF, PlannedRun, PlannedStep
from tests.faults.verdict import settling, troubles
from tests.faults.watched import Strike
from tests.faults.world import Kill

TOOLS = ("transfer", "set_limit", "place_order", "write_note", "balance")
RUN = PlannedRun("1", tuple(PlannedStep(tool, f"1-{number}", 5) for number, tool in enumerate(TOOLS)))
ORDER, NOTE = 2, 3
KILLED_AT = 1_000.0


def effect(number: int, run: PlannedRun = RUN, tool: str = "") -> Line:
    """The bank has done a step."""
    return Line(what=What.EFFECT, tool=tool or run.steps[number].tool, memo=run.memo(number), at=0.0)


def entry(number: int, **changes: object) -> LedgerRow:
    """The ledger has a step as done."""
    tool = RUN.steps[number].tool
    row = LedgerRow(
        run=RUN.id,
        step=f"step {number}",
        occurrence="1",
        tool=tool,
        memo=RUN.memo(number),
        effect_class=CLASS_OF[tool],
        state="done",
        sends=1,
        finished_at=datetime.fromtimestamp(KILLED_AT + 3, UTC),
    )
    return row.model_copy(update=changes)


def flight(number: int, phase: str) -> InFlight:
    """A step on its way."""
    return InFlight(run=RUN.id, step=f"step {number}", occurrence="1", tool=RUN.steps[number].tool, phase=phase)


def good() -> Facts:
    """Everything happened once, and everybody says so."""
    numbers = range(len(TOOLS))
    return Facts(
        runs=[RUN],
        endings={RUN.id: "paid"},
        journal=[effect(number) for number in numbers if TOOLS[number] != "balance"],
        ledger=[entry(number) for number in numbers],
        completed=Counter((RUN.id, f"step {number}", "1") for number in numbers),
    )


def kinds(facts: Facts) -> set[str]:
    """What is wrong, by name."""
    return {trouble.kind for trouble in troubles(facts)}


def an_escalated_note(**changes: object) -> Facts:
    """Nobody knew whether the note was written; the operator found it in the bank's journal."""
    facts = good()
    facts.ledger[NOTE] = entry(NOTE, **{"state": "adopted"} | changes)
    said = {"run": RUN.id, "problem": "nobody knows", "verdict": "happened", "tool": "write_note"}
    facts.answered = [Answered(**said, memo=RUN.memo(NOTE), at=0.0)]
    return facts


def killed(*calls: InFlight, at: float = KILLED_AT) -> Kill:
    """A kill that met these calls."""
    return Kill(at=at, pid=1, calls=calls)


def test_when_everything_happened_once_and_everybody_says_so_nothing_is_wrong() -> None:
    assert troubles(good()) == []


def test_an_effect_the_bank_does_not_have_is_lost_and_the_ledger_is_contradicted() -> None:
    facts = good()
    del facts.journal[0]
    assert kinds(facts) == {"lost", "ledger without effect"}


def test_an_effect_the_bank_has_twice_is_a_duplicate() -> None:
    facts = good()
    facts.journal.append(effect(1))
    assert kinds(facts) == {"duplicated"}


def test_a_repeat_that_the_bank_recognised_is_no_duplicate() -> None:
    facts = good()
    facts.journal.append(effect(1).model_copy(update={"what": What.REPEAT}))
    assert troubles(facts) == []


def test_an_effect_nobody_asked_for_is_a_duplicate_and_in_no_ledger() -> None:
    facts = good()
    facts.journal.append(effect(0, tool="reverse_transfer"))
    assert kinds(facts) == {"duplicated", "effect without ledger"}


def test_a_run_that_took_its_steps_back_must_have_undone_each_of_them() -> None:
    saga = replace(RUN, fails_at=3)
    facts = Facts([saga], {saga.id: "taken_back"}, [effect(number, saga) for number in range(3)])
    facts.journal.append(effect(0, saga, "reverse_transfer"))
    assert [each.what for each in troubles(facts) if each.kind == "lost"] == [f"cancel_order {saga.memo(2)}: 1 too few"]


def test_a_run_that_nobody_knows_the_end_of_is_told() -> None:
    facts = good()
    facts.endings = {RUN.id: "stuck in paying"}
    assert kinds(facts) == {"ending"}


def test_a_run_that_ended_otherwise_than_planned_is_told() -> None:
    facts = good()
    facts.endings = {RUN.id: "cancelled"}
    assert kinds(facts) == {"ending"}


def test_an_entry_that_is_neither_final_nor_answered_by_a_person_is_left_open() -> None:
    facts = good()
    facts.ledger[0] = entry(0, state="sent")
    facts.completed.pop((RUN.id, "step 0", "1"))
    assert kinds(facts) == {"ledger open", "effect without ledger"}


def test_an_entry_whose_outcome_is_still_unknown_though_a_person_has_answered_is_left_open() -> None:
    facts = an_escalated_note(state="unknown")
    facts.kills = [killed(flight(NOTE, "before toolbox.call"))]
    assert kinds(facts) == {"ledger open", "effect without ledger"}


def test_a_lost_answer_must_have_been_looked_up_where_it_can_be() -> None:
    facts = good()
    facts.misbehaved = {RUN.memo(ORDER): "hang"}
    assert kinds(facts) == {"misjudged"}
    facts.ledger[ORDER] = entry(ORDER, state="adopted")
    assert troubles(facts) == []
    facts.ledger[ORDER] = entry(ORDER, sends=2)
    assert troubles(facts) == []


def test_one_step_that_is_done_under_two_keys_is_told() -> None:
    facts = good()
    facts.ledger.append(entry(NOTE, occurrence="2"))
    facts.completed[RUN.id, "step 3", "2"] = 1
    assert kinds(facts) == {"ledger twice"}


def test_a_call_that_a_history_has_completed_twice_is_told() -> None:
    facts = good()
    facts.completed[RUN.id, "step 2", "1"] = 2
    assert kinds(facts) == {"history"}


def test_a_call_that_is_done_in_the_ledger_and_in_no_history_is_told() -> None:
    facts = good()
    facts.completed.pop((RUN.id, "step 2", "1"))
    assert kinds(facts) == {"history"}


def test_what_the_audit_chain_finds_is_told() -> None:
    facts = good()
    facts.audit = ["run 17: a record is missing"]
    assert kinds(facts) == {"audit"}


def test_an_escalated_note_that_a_kill_hit_after_its_send_is_as_it_should_be() -> None:
    facts = an_escalated_note()
    facts.kills = [killed(flight(NOTE, "before toolbox.call"))]
    assert troubles(facts) == []


def test_an_escalated_note_that_its_server_failed_is_as_it_should_be() -> None:
    facts = an_escalated_note()
    facts.strikes = [Strike(at=0.0, call=flight(NOTE, "before toolbox.call"), error="OutcomeUnknown")]
    assert troubles(facts) == []


def test_an_escalation_that_nothing_explains_is_told() -> None:
    facts = an_escalated_note()
    facts.kills = [killed(flight(NOTE, "before ledger.claim"))]
    assert kinds(facts) == {"escalated"}


def test_a_class_that_needs_nobody_may_not_escalate_whatever_hit_it() -> None:
    facts = an_escalated_note(effect_class=EffectClass.KEYED)
    facts.kills = [killed(flight(NOTE, "before toolbox.call"))]
    assert kinds(facts) == {"escalated"}


@pytest.mark.parametrize(("hits", "wrong"), [(2, {"escalated"}), (3, set())])
def test_what_can_be_looked_up_needs_a_person_only_when_each_of_its_sends_was_hit(hits: int, wrong: set[str]) -> None:
    facts = an_escalated_note(effect_class=EffectClass.QUERYABLE)
    facts.kills = [killed(flight(NOTE, "before toolbox.call"))] * hits
    assert kinds(facts) == wrong


def test_an_answer_that_cannot_be_read_must_stand_as_done_after_one_send() -> None:
    facts = good()
    facts.misbehaved = {RUN.memo(0): "garbage"}
    assert troubles(facts) == []
    facts.ledger[0] = entry(0, sends=2)
    assert kinds(facts) == {"misjudged"}


def test_a_lost_answer_must_have_been_sent_again_where_that_is_safe() -> None:
    facts = good()
    facts.misbehaved = {RUN.memo(0): "reset mid-body"}
    assert kinds(facts) == {"misjudged"}
    facts.ledger[0] = entry(0, sends=2)
    assert troubles(facts) == []


def test_a_lost_answer_must_have_been_put_before_a_person_where_it_is_not() -> None:
    facts = good()
    facts.misbehaved = {RUN.memo(NOTE): "hang"}
    assert kinds(facts) == {"misjudged"}


def test_settling_is_counted_from_the_kill_when_another_worker_lives_and_else_from_its_return() -> None:
    facts = good()
    facts.kills = [killed(flight(0, "before toolbox.call"))]
    facts.ready = [0.0, 1.0]
    assert settling(facts).once == [3.0]
    facts.ready = [0.0, KILLED_AT + 1]
    assert settling(facts).once == [2.0]


def test_a_call_that_was_hit_twice_is_counted_apart_from_its_last_kill() -> None:
    facts = good()
    hit = flight(0, "before toolbox.call")
    facts.kills = [killed(hit, at=KILLED_AT - 5), killed(hit)]
    facts.ready = [0.0, 1.0, 2.0]
    assert (settling(facts).once, settling(facts).again) == ([], [3.0])


@pytest.mark.parametrize(
    ("attempt", "ended", "silent", "again"),
    [(2, 1, True, False), (3, 2, False, False), (3, 2, True, True), (4, 2, False, True), (3, 1, True, True)],
    ids=["died once", "died, and was refused", "nobody heard of its end", "died twice, and was refused", "died twice"],
)
def test_attempts_that_no_worker_brought_to_an_end_have_died_with_one(
    attempt: int, ended: int, silent: bool, again: bool
) -> None:
    event = HistoryEvent()
    started = event.activity_task_started_event_attributes
    started.attempt = attempt
    if silent:
        started.last_failure.timeout_failure_info.SetInParent()
    assert died_again(event, ended) is again
