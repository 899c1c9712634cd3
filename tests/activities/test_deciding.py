"""Decisions as they arrive: which count, which do not and by which check, and when a request is fulfilled."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.deciding import DecisionActivities
from activities.people import PeopleActivities
from contracts.canonical import digest
from contracts.decisions import Check, CheckedDecision, Decision, DecisionsToCheck, RequestToClose, Verdict
from contracts.policy import Obligation
from contracts.roster import Roster
from tests.activities.bench import NINE, PRODUCTION, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox

ACTION = digest(b"the action")
FINANCE, RISK = "finance_manager", "risk_officer"


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A store in which Rita has asked for a refund of A-17."""
    async with a_bench(RecordingToolbox({})) as opened:
        yield opened


async def asked(bench: Bench, *demanded: tuple[str, int], **changes: Any) -> Decision:
    """A request that demands these people; an unsigned decision on it in which everything is right."""
    decision = bench.decision(ACTION)
    within = timedelta(days=2)
    obligations = [Obligation(role=role, quorum=quorum, within=within, rule_id="r") for role, quorum in demanded]
    named = {"obligations": tuple(obligations)} if obligations else {}
    await bench.asks_for(decision, **named, **changes)
    return decision


async def checked(bench: Bench, *arrived: Decision, beside: tuple[Decision, ...] = ()) -> tuple[CheckedDecision, ...]:
    """What is said of decisions that arrive together."""
    check = DecisionsToCheck(arrived=arrived, counted=beside)
    return (await bench.environment().run(bench.bound(DecisionActivities).check_decisions, check)).checked


async def closed(bench: Bench, outcome: str) -> None:
    """The request has left the inbox."""
    closing = RequestToClose(request_id=bench.decision(ACTION).approval_id, outcome=outcome, by="dana")
    await bench.environment().run(bench.bound(PeopleActivities).close_request, closing)


def in_production(bench: Bench, *signers: Signer, **more: Any) -> None:
    """These people are the roster, and nothing unsigned counts."""
    bench.deployment = PRODUCTION
    bench.authority.people = roster_of(*signers, **more)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({}, None),
        ({"approver": "rita"}, Check.SELF_APPROVAL),
        ({"deployment": "elsewhere"}, Check.DEPLOYMENT),
        ({"first_run_id": "run-0"}, Check.RUN),
        ({"expires_at": NINE}, Check.EXPIRED),
        ({"issued_at": NINE + timedelta(minutes=2)}, Check.ISSUED_LATER),
        ({"action_digest": digest(b"another")}, Check.ACTION),
        ({"signature": "c2ln"}, Check.SHAPE),
    ],
    ids=str,
)
async def test_a_decision_counts_or_the_check_that_refused_it_is_told(
    bench: Bench, changes: dict[str, Any], check: Check | None
) -> None:
    decision = await asked(bench)
    (answer,) = await checked(bench, decision.model_copy(update=changes))
    assert (answer.counts, answer.check) == (check is None, check)
    assert bool(answer.reason) == (check is not None)


async def test_an_unsigned_decision_does_not_count_in_production_and_a_signed_one_does(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    decision = await asked(bench)
    in_production(bench, dana)
    (unsigned,) = await checked(bench, decision)
    (signed,) = await checked(bench, dana.signed(decision))
    assert (unsigned.check, signed.counts, signed.fulfilled) == (Check.UNSIGNED, True, True)


async def test_checking_the_same_decision_again_after_a_crash_gives_the_same_answer(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    decision = dana.signed(await asked(bench))
    in_production(bench, dana, decisions_per_hour=1)
    assert await checked(bench, decision) == await checked(bench, decision)


async def test_an_approval_that_has_closed_its_request_counts_in_the_check_that_follows_a_lost_task(
    bench: Bench,
) -> None:
    dana, risa = Signer("dana", (FINANCE,)), Signer("risa", (FINANCE,))
    decision = dana.signed(await asked(bench))
    never_taken = risa.signed(await asked(bench))
    in_production(bench, dana, risa)
    await checked(bench, decision)
    await closed(bench, "approved")
    bench.clock.forward(timedelta(days=1))

    (again,) = await checked(bench, decision)
    assert (again.counts, again.fulfilled) == (True, True), "refused, it would leave a run that nobody can answer"
    (late,) = await checked(bench, never_taken)
    assert late.check is Check.EXPIRED


async def test_after_a_lost_task_a_copy_of_an_approval_fills_no_second_place(bench: Bench) -> None:
    dana, risa = Signer("dana", (FINANCE,)), Signer("risa", (FINANCE,))
    decision = await asked(bench, (FINANCE, 2))
    first, second = dana.signed(decision), risa.signed(decision)
    in_production(bench, dana, risa)
    await checked(bench, first, second)
    await closed(bench, "approved")

    copied, again = await checked(bench, first, second, beside=(first,))
    assert (copied.counts, copied.check) == (False, Check.ALREADY_DECIDED)
    assert (again.counts, again.fulfilled) == (True, True)
    (junk,) = await checked(bench, first.model_copy(update={"signature": second.signature}))
    assert junk.check is Check.SIGNATURE


async def test_an_approval_that_was_taken_before_its_request_was_withdrawn_counts_no_more(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    decision = dana.signed(await asked(bench, (FINANCE, 2)))
    in_production(bench, dana)
    await checked(bench, decision)
    await closed(bench, "withdrawn")
    (again,) = await checked(bench, decision)
    assert again.check is Check.OPEN_REQUEST


async def test_nothing_can_be_decided_for_a_run_nobody_registered(bench: Bench) -> None:
    """Everything else about the decision is right: an impostor can open requests for itself."""
    decision = bench.decision(ACTION, first_run_id="run-9")
    await bench.asks_for(decision, first_run_id="run-9")
    activity = bench.bound(DecisionActivities).check_decisions
    (answer,) = (await bench.environment("run-9").run(activity, DecisionsToCheck(arrived=(decision,)))).checked
    assert (answer.counts, answer.check) == (False, Check.RUN)
    assert answer.reason == "this run has no start record; nothing can be decided for it"


async def test_while_no_roster_is_in_force_decisions_wait(bench: Bench) -> None:
    decision = await asked(bench)
    bench.authority.missing = NothingInForce("no roster is in force")
    with pytest.raises(ApplicationError, match="no roster is in force") as waits:
        await checked(bench, decision)
    assert not waits.value.non_retryable


async def test_of_a_batch_each_is_held_against_those_before_it(bench: Bench) -> None:
    dana, erik = Signer("dana", (FINANCE,)), Signer("erik", (FINANCE,))
    decision = await asked(bench, (FINANCE, 2))
    in_production(bench, dana, erik)
    first, again, second = await checked(bench, dana.signed(decision), dana.signed(decision), erik.signed(decision))
    assert (first.counts, first.fulfilled) == (True, False)
    assert again.check is Check.ALREADY_DECIDED
    assert (second.counts, second.fulfilled) == (True, True)


async def test_one_person_fills_one_place_even_with_two_of_the_demanded_roles(bench: Bench) -> None:
    dana, erik = Signer("dana", (FINANCE, RISK)), Signer("erik", (FINANCE,))
    decision = await asked(bench, (FINANCE, 1), (RISK, 1))
    in_production(bench, dana, erik)
    (first,) = await checked(bench, dana.signed(decision))
    (both,) = await checked(bench, erik.signed(decision), beside=(dana.signed(decision),))
    assert (first.counts, first.fulfilled) == (True, False)
    assert (both.counts, both.fulfilled) == (True, True), "Dana counts as the risk officer, Erik for finance"


async def test_an_emergency_role_decides_where_one_person_is_enough(bench: Bench) -> None:
    bea = Signer("bea", break_glass=(FINANCE,))
    decision = await asked(bench, (FINANCE, 1))
    in_production(bench, bea)
    (without,) = await checked(bench, bea.signed(decision))
    bench.authority.grants = (bea.grants(FINANCE, PRODUCTION.id, NINE),)
    (with_it,) = await checked(bench, bea.signed(decision))
    assert without.check is Check.ROLE
    assert (with_it.counts, with_it.fulfilled) == (True, True)


async def test_the_next_role_decides_once_the_request_was_handed_on(bench: Bench) -> None:
    fiona = Signer("fiona", ("finance_director",))
    in_production(bench, fiona)
    handed_on = Obligation(role=FINANCE, within=timedelta(days=2), rule_id="r", hand_on_to="finance_director")
    decision = bench.decision(ACTION)
    await bench.asks_for(decision, obligations=(handed_on,))
    (before,) = await checked(bench, fiona.signed(decision))
    other = decision.model_copy(update={"approval_id": "refund/A-17#2"})
    await bench.asks_for(
        other, request_id="refund/A-17#2", obligations=(handed_on,), handed_on_at=NINE, hand_ons={"r": NINE}
    )
    (after,) = await checked(bench, fiona.signed(other))
    assert (before.check, after.counts, after.fulfilled) == (Check.ROLE, True, True)


async def test_the_note_of_a_decision_that_counts_is_kept_where_auditors_find_it(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    in_production(bench, dana)
    decision = dana.signed((await asked(bench)).model_copy(update={"note": "the photo shows it"}))
    (answer,) = await checked(bench, decision)
    ((who, address),) = await bench.store.decided.notes(decision.first_run_id, decision.approval_id)
    told = "SELECT payload FROM audit WHERE kind = 'decision'"
    payload = bench.store._database.read_now(lambda each: each.exec_driver_sql(told).scalar_one())

    assert (answer.counts, who) == (True, "dana")
    assert await bench.store.contents.get(address) == b"the photo shows it"
    assert f'"note":"{address}"' in payload


async def test_a_refusal_is_told_to_auditors_once(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    decision = await asked(bench)
    in_production(bench, dana)
    for _ in range(3):
        await checked(bench, decision)
    counted = "SELECT count(*) FROM audit WHERE kind = 'decision_refused'"
    assert bench.store._database.read_now(lambda each: each.exec_driver_sql(counted).scalar_one()) == 1


async def test_a_rejection_closes_a_request_whatever_quorum_it_demands(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    decision = await asked(bench, (FINANCE, 2))
    in_production(bench, dana)
    (answer,) = await checked(bench, dana.signed(decision, verdict=Verdict.REJECT))
    assert (answer.counts, answer.fulfilled) == (True, True)


async def test_an_empty_roster_in_production_entitles_nobody(bench: Bench) -> None:
    dana = Signer("dana", (FINANCE,))
    decision = dana.signed(await asked(bench))
    bench.deployment, bench.authority.people = PRODUCTION, Roster()
    (answer,) = await checked(bench, decision)
    assert answer.check is Check.KEY
