"""Calls of which nobody knows whether they happened: people find out, their word is verified, nothing is sent twice."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.conversations import RunKey
from activities.keys import idempotency_key
from activities.ledger import LedgerEntry, LedgerState
from activities.toolbox import OutcomeUnknown
from contracts.canonical import parse_json
from contracts.decisions import RequestKind, Verdict
from contracts.roster import Roster
from contracts.tools import CallStatus, EffectClass, ToolOutcome
from tests.activities.people import person
from tests.doubles import RecordingToolbox, in_turn, says_no
from tests.story import DEPLOYMENT
from tests.workflows.refund_world import Books, Refund, a_refund

pytestmark = pytest.mark.many

LOST = OutcomeUnknown("the wire went silent")
STEP = "payments.issue_credit"


def opaque(books: Books, tool: str = STEP, **answers: Any) -> RecordingToolbox:
    """A tool that knows no key and cannot be asked."""
    toolbox = books.toolbox(**answers)
    toolbox.classes = {**toolbox.classes, tool: EffectClass.OPAQUE}
    return toolbox


def credited_and_lost(books: Books) -> Any:
    """The credit is issued, and its answer gets lost; a second one would be issued as well."""

    def credit(arguments: dict[str, Any]) -> Any:
        books.credit(arguments)
        raise LOST

    return credit


async def entry_of(refund: Refund, step: str = STEP, occurrence: str = "1") -> LedgerEntry:
    """What the ledger says of a call."""
    view = await refund.run.view()
    run = RunKey(workflow_id=view.workflow_id, first_run_id=view.first_run_id)
    entry = await refund.story.store.ledger.find(idempotency_key(DEPLOYMENT.id, run, step, occurrence))
    assert entry is not None
    return entry


async def test_a_credit_that_happened_is_adopted_and_the_refund_goes_on(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.HAPPENED, note="credit cr-1 stands in the books of payments")
        ending = await refund.run.ending()
        states, entry = await refund.run.states(), await entry_of(refund)

    assert request.kind is RequestKind.OUTCOME
    assert request.options == (Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN, Verdict.ABANDON)
    assert request.title.startswith("nobody knows whether payments.issue_credit 40.00 EUR happened: it was sent")
    assert states[3:6] == ["issuing", "escalated", "issuing"]
    assert ending.state == "refunded"
    assert books.credits == [4000]
    assert toolbox.called.count(STEP) == 1
    assert entry.state is LedgerState.ADOPTED
    assert entry.outcome is not None
    assert entry.outcome.message == "dana says: it happened; credit cr-1 stands in the books of payments"


async def test_a_credit_that_did_not_happen_is_ruled_on_anew_and_made_under_a_new_key(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=in_turn(LOST, books.credit))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.DID_NOT_HAPPEN)
        ending = await refund.run.ending()
        states, entry = await refund.run.states(), await entry_of(refund)

    assert states[3:7] == ["issuing", "escalated", "ruling", "issuing"]
    assert ending.state == "refunded"
    assert books.credits == [4000]
    first, second = toolbox.keys_of(STEP)
    assert first != second
    assert entry.state is LedgerState.NOT_HAPPENED


async def test_what_did_not_happen_must_be_approved_again(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=in_turn(LOST, books.credit))
    async with a_refund(temporal, 64000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.APPROVE)
        await refund.run.decides(Verdict.DID_NOT_HAPPEN, number=2)
        approval = await refund.run.asked(3)
        assert toolbox.called.count(STEP) == 1, "the old approval was for the old action"
        await refund.run.decides(Verdict.APPROVE, number=3)
        ending = await refund.run.ending()

    assert approval.kind is RequestKind.APPROVAL
    assert ending.state == "refunded"
    assert books.credits == [64000]


async def test_abandoning_undoes_what_may_have_happened(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.ABANDON, note="the provider is closed until Monday")
        ending = await refund.run.ending()
        entry = await entry_of(refund)

    assert ending.state == "cancelled"
    assert books.credits == [], "an abandoned credit may have happened, so it is reversed"
    assert toolbox.effects() == [STEP, "payments.reverse_credit"]
    assert entry.state is LedgerState.ABANDONED


async def test_it_happened_counts_with_a_proof_only_and_is_asked_again_without(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.HAPPENED, note=" ")
        again = await refund.run.asked(2)
        before = await entry_of(refund)
        await refund.run.decides(Verdict.HAPPENED, number=2, note="cr-1")
        ending = await refund.run.ending()

    assert again.kind is RequestKind.OUTCOME
    assert again.title.startswith("the word of 'dana' does not count: it says that it happened, and gives no proof")
    assert before.state is LedgerState.UNKNOWN
    assert ending.state == "refunded"
    assert books.credits == [4000]


async def test_only_holders_of_the_automations_own_role_say_what_came_of_its_calls(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    roster = Roster(people=(person("dana", "support_lead"), person("fay", "finance_manager")))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox, roster=roster) as refund:
        with pytest.raises(Exception, match="Workflow update failed"):
            await refund.run.decides(Verdict.HAPPENED, by="dana", note="cr-1")
        await refund.run.decides(Verdict.HAPPENED, by="fay", note="cr-1")
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def test_people_see_what_they_need_to_find_out(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        stored = await refund.story.store.contents.get(request.display_digest)
        details = await refund.run.details()
        entry = await entry_of(refund)
        await refund.run.decides(Verdict.ABANDON)
        await refund.run.ending()

    shown = parse_json(stored or b"")
    assert isinstance(shown, dict)
    sent = shown["sent"]
    assert isinstance(sent, dict)
    assert (sent["key"], sent["sends"], sent["effect_class"]) == (entry.key, 1, "opaque")
    assert sent["first_sent_at"]
    action = parse_json(str(shown["action"]))
    assert isinstance(action, dict)
    assert action["arguments"]["cents"] == 4000  # type: ignore[index, call-overload]
    assert "#### Waiting for somebody to find out" in details


async def test_a_run_cancelled_while_people_find_out_undoes_what_may_have_happened_and_says_so(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked()
        await refund.run.cancel()
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert ending.reason.endswith("; nobody knows whether payments.issue_credit 40.00 EUR happened")
    assert books.credits == []


# An undo of which nobody knows.


def unmarkable(books: Books, reverse: Any) -> RecordingToolbox:
    """The order cannot be marked, and the answer to the reversal of the credit gets lost."""
    locked = says_no("the order is locked")
    return opaque(books, "payments.reverse_credit", orders__mark_refunded=locked, payments__reverse_credit=reverse)


def reversed_and_lost(books: Books) -> Any:
    """The credit is reversed, and the answer gets lost."""

    def reverse(arguments: dict[str, Any]) -> Any:
        books.reverse(arguments)
        raise LOST

    return reverse


async def test_an_undo_that_happened_is_undone(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = unmarkable(books, reversed_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.HAPPENED, note="no credit stands for A-17")
        ending = await refund.run.ending()

    assert request.kind is RequestKind.OUTCOME
    assert request.options == (Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN, Verdict.ABANDON)
    assert ending.state == "reversed"
    assert toolbox.called.count("payments.reverse_credit") == 1


async def test_an_undo_that_did_not_happen_is_made_under_a_new_key(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = unmarkable(books, in_turn(LOST, books.reverse))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.DID_NOT_HAPPEN)
        ending = await refund.run.ending()

    assert ending.state == "reversed"
    assert books.credits == []
    assert len(set(toolbox.keys_of("payments.reverse_credit"))) == 2


async def test_an_undo_nobody_can_find_out_about_ends_as_undo_incomplete(temporal: WorkflowEnvironment) -> None:
    books = Books()
    async with a_refund(temporal, 4000, books=books, toolbox=unmarkable(books, LOST)) as refund:
        await refund.run.decides(Verdict.ABANDON, by="erik")
        ending = await refund.run.ending()

    assert ending.state == "undo_incomplete"
    assert ending.reason.startswith("abandoned by erik: not undone: the credit; undone: the mark on the order; nobody")


async def test_nobody_answers_for_a_week_and_it_is_asked_again_and_never_sent(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked(1)
        await refund.story.fast_forward(refund.run, timedelta(days=7, minutes=1))
        second = await refund.run.asked(2)
        await refund.run.decides(Verdict.HAPPENED, number=2, note="cr-1")
        ending = await refund.run.ending()

    assert second.kind is RequestKind.OUTCOME
    assert ending.state == "refunded"
    assert toolbox.called.count(STEP) == 1


async def test_an_answer_that_comes_before_the_word_of_a_person_stands_and_nothing_is_sent_again(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = opaque(books, payments__issue_credit=credited_and_lost(books))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked()
        entry = await entry_of(refund)
        late = ToolOutcome(status=CallStatus.DONE, action_digest=entry.action_digest, message="late, and yet")
        now = await refund.run.now()
        await refund.story.store.ledger.finish(entry.key, entry.generation, LedgerState.DONE, late, None, now)
        await refund.run.decides(Verdict.DID_NOT_HAPPEN)
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert toolbox.called.count(STEP) == 1
    assert books.credits == [4000]
