"""Start records: who asked for which run, which run holds a case, and what became of it."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from activities.conversations import RunKey
from activities.inbox import CaseTaken, NameUsed, NonceUsed
from contracts.runs import KnownCase, RunsToFind
from tests.workers.store.samples import RUN, at, started
from workers.resources.store import Store

SECOND = RunKey(workflow_id=f"{RUN.workflow_id}/2", first_run_id="run-2")
THIRD = RunKey(workflow_id=f"{RUN.workflow_id}/3", first_run_id="run-3")


async def test_a_run_of_the_same_name_has_not_the_record_of_the_one_that_was_registered(store: Store) -> None:
    """Somebody terminates a run in the Web UI, and starts something else under its workflow id."""
    await store.starts.register(started(), at(0))
    impostor = RunKey(workflow_id=RUN.workflow_id, first_run_id="run-9")
    await store.starts.end(impostor, "refunded", at(1))

    assert await store.starts.find(impostor) is None
    assert (await store.starts.look_up("refund", "A-17", started().request)).ending == ""


async def test_a_registered_run_is_found_by_workflow_id_and_first_run_id(store: Store) -> None:
    assert await store.starts.find(RUN) is None

    assert await store.starts.register(started(), at(0)) == started()

    assert await store.starts.find(RUN) == started()
    assert await store.starts.find(SECOND) is None


async def test_registering_a_run_again_returns_what_was_registered_first(store: Store) -> None:
    await store.starts.register(started(), at(0))

    second_try = started(request={"order": "A-17", "amount": "99.00"})

    assert await store.starts.register(second_try, at(1)) == started()


async def test_another_run_of_the_same_case_is_refused_and_leaves_no_record(store: Store) -> None:
    await store.starts.register(started(), at(0))

    with pytest.raises(CaseTaken) as refusal:
        await store.starts.register(started(SECOND), at(1))

    assert (refusal.value.workflow_id, refusal.value.first_run_id) == (RUN.workflow_id, RUN.first_run_id)
    assert await store.starts.find(SECOND) is None


async def test_a_statement_that_started_one_run_starts_no_other(store: Store) -> None:
    record = started(again="lost")
    signed = record.model_copy(update={"start": record.start.model_copy(update={"nonce": "n" * 20})})
    await store.starts.register(signed, at(0))
    assert await store.starts.register(signed, at(0)) == signed, "a retry is no other run"

    with pytest.raises(NonceUsed, match="sign a new one"):
        await store.starts.register(signed.model_copy(update={"run": SECOND}), at(1))
    assert await store.starts.find(SECOND) is None


async def test_no_two_runs_are_ever_registered_under_one_name(store: Store) -> None:
    await store.starts.register(started(), at(0))
    await store.starts.end(RUN, "refunded", at(1))
    namesake = RunKey(workflow_id=RUN.workflow_id, first_run_id="run-2")

    with pytest.raises(NameUsed, match="--again REASON"):
        await store.starts.register(started(namesake, again="the bank lost it"), at(2))
    assert await store.starts.find(namesake) is None
    assert (await store.starts.look_up("refund", "A-17", started().request)).first_run_id == RUN.first_run_id


async def test_the_key_of_a_case_that_ended_stays_taken(store: Store) -> None:
    await store.starts.register(started(), at(0))
    await store.starts.end(RUN, "refunded", at(1))

    with pytest.raises(CaseTaken):
        await store.starts.register(started(SECOND), at(2))


async def test_a_case_started_anew_changes_hands_and_the_old_record_stays(store: Store) -> None:
    await store.starts.register(started(), at(0))
    await store.starts.register(started(SECOND, again="the bank lost it"), at(1))

    known = await store.starts.look_up("refund", "A-17", started().request)
    assert known.first_run_id == "run-2"
    assert await store.starts.find(RUN) == started()
    with pytest.raises(CaseTaken, match="run-2"):
        await store.starts.register(started(THIRD), at(2))


async def test_a_retry_of_the_former_holder_does_not_take_the_case_back(store: Store) -> None:
    await store.starts.register(started(), at(0))
    await store.starts.register(started(SECOND, again="the bank lost it"), at(1))

    await store.starts.register(started(), at(2))

    assert (await store.starts.look_up("refund", "A-17", {})).first_run_id == "run-2"


async def test_a_first_start_may_give_a_reason_as_well(store: Store) -> None:
    await store.starts.register(started(again="to be sure"), at(0))

    assert (await store.starts.look_up("refund", "A-17", {})).first_run_id == RUN.first_run_id


async def test_an_unknown_case_is_known_to_be_unknown(store: Store) -> None:
    await store.starts.register(started(), at(0))

    assert await store.starts.look_up("refund", "B-1", {}) == KnownCase()
    assert await store.starts.look_up("errand", "A-17", {}) == KnownCase()


async def test_looking_up_a_case_names_the_fields_that_differ(store: Store) -> None:
    request: dict[str, JsonValue] = {"order": "A-17", "urgent": True, "lines": [{"b": 1, "a": 2}], "note": None}
    await store.starts.register(started(request=request), at(0))

    other: dict[str, JsonValue] = {"order": "A-17", "urgent": 1, "lines": [{"a": 2, "b": 1}], "channel": "mail"}
    known = await store.starts.look_up("refund", "A-17", other)

    assert known.differing_fields == ("channel", "note", "urgent")
    assert not known.same_input
    assert (await store.starts.look_up("refund", "A-17", dict(reversed(list(request.items()))))).same_input


async def test_the_ending_stands_beside_the_case_and_a_late_retry_does_not_change_it(store: Store) -> None:
    await store.starts.register(started(), at(0))
    assert (await store.starts.look_up("refund", "A-17", {})).ending == ""

    await store.starts.end(RUN, "refunded", at(5))
    await store.starts.end(RUN, "cancelled", at(4))
    await store.starts.end(SECOND, "rejected", at(9))

    assert (await store.starts.look_up("refund", "A-17", {})).ending == "refunded"


async def test_a_run_that_was_reset_and_ends_again_shows_its_last_ending(store: Store) -> None:
    await store.starts.register(started(), at(0))

    await store.starts.end(RUN, "cancelled", at(4))
    await store.starts.end(RUN, "refunded", at(5))

    assert (await store.starts.look_up("refund", "A-17", {})).ending == "refunded"


async def test_a_pseudonym_is_stable_within_a_store_and_tells_nothing(store: Store, store_url: str) -> None:
    ada = await store.starts.pseudonym("ada")
    reopened = Store.open(store_url)
    try:
        assert await reopened.starts.pseudonym("ada") == ada
    finally:
        reopened.close()
    assert ada.startswith("r-")
    assert len(ada) == 18
    assert await store.starts.pseudonym("bob") != ada


async def test_two_stores_know_the_same_requester_by_different_names(store: Store, tmp_path: Path) -> None:
    other = Store.open(f"sqlite:///{tmp_path}/other.db")
    try:
        assert await other.starts.pseudonym("ada") != await store.starts.pseudonym("ada")
    finally:
        other.close()


async def test_runs_are_found_by_their_names_and_by_their_business_keys_with_what_became_of_them(store: Store) -> None:
    await store.starts.register(started(), at(0))
    await store.starts.end(RUN, "refunded", at(1))
    await store.starts.register(started(SECOND, again="lost"), at(2))
    key = started().start.business_key

    by_key = await store.starts.find_runs(RunsToFind(automation="refund", business_keys=(key, "A-99")))
    by_name = await store.starts.find_runs(RunsToFind(automation="refund", workflow_ids=(RUN.workflow_id,)))
    of_another = await store.starts.find_runs(RunsToFind(automation="errand", business_keys=(key,)))

    assert [(run.workflow_id, run.ending) for run in by_key.runs] == [
        (SECOND.workflow_id, ""),
        (RUN.workflow_id, "refunded"),
    ]
    assert (by_key.under_way, by_key.ending_of(RUN.workflow_id)) == ((SECOND.workflow_id,), "refunded")
    assert (by_name.under_way, by_name.ending_of(SECOND.workflow_id)) == ((), None)
    assert of_another.runs == ()
