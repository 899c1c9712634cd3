"""The ledger: what is claimed once, sent by one, and finished by the one that sent."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from activities.ledger import LedgerEntry, LedgerState
from contracts.canonical import digest
from contracts.tools import EffectClass, Purpose
from tests.workers.store.samples import RUN, at, claim, issued, lost
from workers.resources.store import Store

CONTENT = b'{"credit":"C-1"}'


@pytest.fixture
def rivals(store_url: str) -> Iterator[list[Store]]:
    """Eight workers on one store, each with threads of its own."""
    with ExitStack() as opened:
        yield [opened.enter_context(closing(Store.open(store_url))) for _ in range(8)]


async def sent(store: Store, generation: int = 0) -> LedgerEntry:
    """The entry after a claim, if need be, and a send."""
    await store.ledger.claim(claim(), at(0))
    entry = await store.ledger.mark_sent("key-1", generation, "worker-1", at(1))
    assert entry is not None
    return entry


async def test_a_first_claim_is_entered_and_nothing_is_sent_yet(store: Store) -> None:
    entry = await store.ledger.claim(claim(), at(0))

    assert (entry.state, entry.generation, entry.sends) == (LedgerState.CLAIMED, 0, 0)
    assert (entry.first_sent_at, entry.outcome) == (None, None)
    assert await store.ledger.find("key-1") == entry


async def test_a_second_claim_of_a_key_returns_the_first_with_its_own_digest(store: Store) -> None:
    first = await store.ledger.claim(claim(), at(0))
    sent_entry = await sent(store)

    other = await store.ledger.claim(claim(amount="99.00"), at(2))

    assert other == sent_entry
    assert other.action_digest == first.action_digest


async def test_a_key_that_nobody_claimed_is_not_found_and_cannot_be_sent(store: Store) -> None:
    assert await store.ledger.find("key-1") is None
    assert await store.ledger.mark_sent("key-1", 0, "worker-1", at(1)) is None


async def test_a_resend_counts_and_keeps_the_moment_of_the_first(store: Store) -> None:
    await sent(store)

    again = await store.ledger.mark_sent("key-1", 1, "worker-2", at(5))

    assert again is not None
    assert (again.generation, again.sends, again.first_sent_at) == (2, 2, at(1))


async def test_nobody_sends_with_an_older_generation(store: Store) -> None:
    await sent(store)

    assert await store.ledger.mark_sent("key-1", 0, "worker-2", at(5)) is None


async def test_of_eight_workers_that_want_to_send_exactly_one_may(rivals: list[Store]) -> None:
    await rivals[0].ledger.claim(claim(), at(0))

    for generation in range(5):
        tries = [rival.ledger.mark_sent("key-1", generation, "me", at(1)) for rival in rivals for _ in "ab"]
        winners = [entry for entry in await asyncio.gather(*tries) if entry is not None]
        assert [entry.generation for entry in winners] == [generation + 1]


async def test_of_eight_workers_that_claim_one_key_all_get_the_same_entry(rivals: list[Store]) -> None:
    claims = [rival.ledger.claim(claim(amount=f"{n}.00"), at(n)) for n, rival in enumerate(rivals)]

    assert len({entry.action_digest for entry in await asyncio.gather(*claims)}) == 1


async def test_finishing_records_outcome_and_content_together(store: Store) -> None:
    await sent(store)

    assert await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(CONTENT), CONTENT, at(2))

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert entry.final
    assert entry.outcome == issued(CONTENT)
    assert entry.outcome is not None
    assert entry.outcome.result is not None
    assert await store.contents.get(entry.outcome.result.digest) == CONTENT


async def test_a_worker_that_was_overtaken_writes_neither_outcome_nor_content(store: Store) -> None:
    await sent(store)
    await store.ledger.mark_sent("key-1", 1, "worker-2", at(5))

    assert not await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(CONTENT), CONTENT, at(6))

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert (entry.state, entry.outcome) == (LedgerState.SENT, None)
    assert await store.contents.get(digest(CONTENT)) is None


async def test_nothing_is_sent_for_a_key_that_is_final(store: Store) -> None:
    await sent(store)
    await store.ledger.finish("key-1", 1, LedgerState.SAID_NO, lost(), None, at(2))

    assert await store.ledger.mark_sent("key-1", 1, "worker-1", at(3)) is None


async def test_a_final_outcome_may_be_recorded_twice_and_never_changed(store: Store) -> None:
    await sent(store)
    await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(), CONTENT, at(2))

    assert await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(), CONTENT, at(3))
    assert not await store.ledger.finish("key-1", 1, LedgerState.UNKNOWN, lost(), None, at(3))
    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert (entry.state, entry.outcome) == (LedgerState.DONE, issued())


async def test_an_unknown_outcome_can_be_adopted_as_done_by_its_generation(store: Store) -> None:
    await sent(store)
    await store.ledger.finish("key-1", 1, LedgerState.UNKNOWN, lost(), None, at(2))
    unknown = await store.ledger.find("key-1")

    assert await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(), None, at(3))

    assert unknown is not None
    assert (unknown.outcome, unknown.final) == (lost(), False)


async def test_an_unknown_outcome_is_forgotten_when_the_call_is_sent_again(store: Store) -> None:
    await sent(store)
    await store.ledger.finish("key-1", 1, LedgerState.UNKNOWN, lost(), None, at(2))

    again = await store.ledger.mark_sent("key-1", 1, "worker-1", at(3))

    assert again is not None
    assert (again.state, again.outcome) == (LedgerState.SENT, None)


async def test_a_state_that_is_no_outcome_cannot_be_recorded(store: Store) -> None:
    await sent(store)

    with pytest.raises(ValueError, match="'claimed'"):
        await store.ledger.finish("key-1", 1, LedgerState.CLAIMED, lost(), None, at(2))


async def test_no_text_from_outside_keeps_an_outcome_from_being_recorded(store: Store) -> None:
    await sent(store)
    odd = lost().model_copy(update={"message": "\x00 \u202e \U0001f4b6", "facts": {"number": 2**80}})

    assert await store.ledger.finish("key-1", 1, LedgerState.UNKNOWN, odd, b"\x00\xff", at(2))

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert entry.outcome is not None
    assert entry.outcome.facts == {"number": 2**80}
    assert entry.outcome.message == odd.message


async def test_a_send_that_reached_nobody_is_taken_back_and_its_generation_is_spent(store: Store) -> None:
    await sent(store)

    await store.ledger.release("key-1", 1)
    await store.ledger.release("key-1", 1)

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert (entry.state, entry.generation, entry.sends) == (LedgerState.CLAIMED, 1, 0)
    assert entry.first_sent_at is None
    assert await store.ledger.mark_sent("key-1", 0, "worker-1", at(2)) is None
    again = await store.ledger.mark_sent("key-1", 1, "worker-1", at(3))
    assert again is not None
    assert (again.sends, again.first_sent_at) == (1, at(3))


async def test_taking_a_resend_back_leaves_the_earlier_send_unknown(store: Store) -> None:
    await sent(store)
    await sent(store, generation=1)

    await store.ledger.release("key-1", 2)
    await store.ledger.release("key-1", 2)

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert (entry.state, entry.sends, entry.first_sent_at) == (LedgerState.UNKNOWN, 1, at(1))
    assert entry.outcome is not None
    assert entry.outcome.message == "an earlier send was never answered"


async def test_neither_an_overtaken_nor_a_finished_send_can_be_taken_back(store: Store) -> None:
    await sent(store)
    await sent(store, generation=1)
    await store.ledger.release("key-1", 1)
    assert await store.ledger.finish("key-1", 2, LedgerState.DONE, issued(), None, at(2))

    await store.ledger.release("key-1", 2)

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert (entry.state, entry.sends) == (LedgerState.DONE, 2)


async def effects(store: Store, first_run_id: str = RUN.first_run_id, tool: str = "issue_credit") -> list[object]:
    """What such a run has sent with a tool of the payments server."""
    return list(await store.ledger.sent(RUN.workflow_id, first_run_id, "payments", tool))


async def test_what_a_run_has_sent_is_known_from_its_first_send_on(store: Store) -> None:
    await store.ledger.claim(claim(), at(0))
    assert await effects(store) == []

    await sent(store)

    assert await effects(store) == [claim().arguments]
    assert await effects(store, tool="close_account") == []
    assert await effects(store, first_run_id="run-2") == []
    assert await store.ledger.sent(RUN.workflow_id, RUN.first_run_id, "orders", "issue_credit") == ()


async def test_neither_reading_nor_compensating_counts_as_having_sent(store: Store) -> None:
    reading = claim("key-1").model_copy(update={"effect_class": EffectClass.READ})
    undoing = claim("key-2").model_copy(update={"purpose": Purpose.COMPENSATION})
    for other in (reading, undoing):
        await store.ledger.claim(other, at(0))
        assert await store.ledger.mark_sent(other.key, 0, "worker-1", at(1))

    assert await effects(store) == []


# What was never answered, and is looked up.


async def test_a_look_that_found_nothing_is_counted_once_and_the_outcome_is_unknown(store: Store) -> None:
    await sent(store)

    looked = await store.ledger.looked_up("key-1", 1, 0, at(2))
    again = await store.ledger.looked_up("key-1", 1, 0, at(3))

    assert looked is not None and again is None
    assert (looked.state, looked.lookups, looked.looked_up_at) == (LedgerState.UNKNOWN, 1, at(2))
    assert looked.outcome is not None and looked.outcome.message == "it was looked up, and not found"
    assert await store.ledger.find("key-1") == looked


async def test_looks_are_counted_from_every_send_anew(store: Store) -> None:
    await sent(store)
    await store.ledger.looked_up("key-1", 1, 0, at(2))

    resent = await store.ledger.mark_sent("key-1", 1, "worker-2", at(3))

    assert resent is not None
    assert (resent.lookups, resent.looked_up_at, resent.last_sent_at) == (0, None, at(3))


async def test_nothing_is_looked_up_under_an_older_generation_or_once_it_is_final(store: Store) -> None:
    await sent(store)
    await store.ledger.mark_sent("key-1", 1, "worker-2", at(2))
    assert await store.ledger.looked_up("key-1", 1, 0, at(3)) is None
    await store.ledger.finish("key-1", 2, LedgerState.ADOPTED, issued(), CONTENT, at(4))

    assert await store.ledger.looked_up("key-1", 2, 0, at(5)) is None


async def test_a_newer_write_is_one_of_the_same_resource_that_was_sent_later_under_another_key(store: Store) -> None:
    order, other = digest(b"order A-17"), digest(b"order A-18")
    for key, resource, minute in (("key-1", order, 1), ("key-2", order, 3), ("key-3", other, 5)):
        await store.ledger.claim(claim(key).model_copy(update={"resource": resource}), at(0))
        await store.ledger.mark_sent(key, 0, "worker-1", at(minute))
    await store.ledger.claim(claim("key-4").model_copy(update={"resource": order}), at(6))

    assert await store.ledger.written_since(order, at(1), "key-1")
    assert not await store.ledger.written_since(order, at(1), "key-2")
    assert not await store.ledger.written_since(order, at(3), "key-2"), "what was only claimed has written nothing"
    assert not await store.ledger.written_since(other, at(5), "key-3")


# What was read, and may serve once more.


async def read(store: Store, key: str, question: str, minute: int, content: bytes | None = CONTENT) -> None:
    """A read that was answered at that minute."""
    await store.ledger.claim(claim(key).model_copy(update={"question": question}), at(0))
    await store.ledger.mark_sent(key, 0, "worker-1", at(minute))
    await store.ledger.finish(key, 1, LedgerState.DONE, issued(content or b""), content, at(minute))


async def test_the_newest_answer_to_a_question_is_found_unless_it_is_too_old(store: Store) -> None:
    asked, other = digest(b"order A-17?"), digest(b"order A-18?")
    await read(store, "key-1", asked, 1)
    await read(store, "key-2", asked, 3, b'{"credit":"C-2"}')
    await read(store, "key-3", other, 5)

    found = await store.ledger.answered(asked, at(2))

    assert found is not None
    assert (found.at, found.outcome.result and found.outcome.result.digest) == (at(3), digest(b'{"credit":"C-2"}'))
    assert await store.ledger.answered(asked, at(4)) is None


async def test_what_was_not_answered_readably_answers_no_question(store: Store) -> None:
    asked = digest(b"order A-17?")
    await read(store, "key-1", asked, 1, content=None)
    await store.ledger.claim(claim("key-2").model_copy(update={"question": asked}), at(0))
    await store.ledger.mark_sent("key-2", 0, "worker-1", at(1))

    assert await store.ledger.answered(asked, at(0)) is None
