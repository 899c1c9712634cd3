"""The inbox: what waits for people, the most urgent first."""

from activities.inbox import Passing
from contracts.decisions import RequestEvent
from tests.workers.store.samples import asked, at
from workers.resources.store import Store


async def test_a_request_is_listed_until_it_is_closed_and_found_for_ever(store: Store) -> None:
    await store.inbox.open(asked(1))
    assert await store.inbox.waiting(10) == (asked(1),)
    assert await store.inbox.find("refund/A-17#1") == asked(1)

    await store.inbox.close(asked(1), "approved", "grace", at(5))

    assert await store.inbox.waiting(10) == ()
    closed = asked(1).model_copy(update={"closed_at": at(5), "outcome": "approved", "by": "grace"})
    assert await store.inbox.find("refund/A-17#1") == closed


async def test_opening_or_closing_again_changes_nothing(store: Store) -> None:
    await store.inbox.open(asked(1))
    await store.inbox.open(asked(1, opened_at=at(3)))
    assert await store.inbox.waiting(10) == (asked(1),)

    await store.inbox.close(asked(1), "approved", "grace", at(5))
    await store.inbox.close(asked(1), "rejected", "linus", at(6))
    await store.inbox.open(asked(1))

    assert await store.inbox.waiting(10) == ()
    found = await store.inbox.find("refund/A-17#1")
    assert found is not None
    assert (found.outcome, found.by, found.closed_at) == ("approved", "grace", at(5))


async def test_the_nearest_deadline_comes_first_and_then_what_has_waited_longest(store: Store) -> None:
    requests = (
        asked(1, opened_at=at(1)),
        asked(2, opened_at=at(2), deadline=at(90)),
        asked(3, opened_at=at(0)),
        asked(4, opened_at=at(3), deadline=at(60)),
        asked(5, opened_at=at(0), deadline=at(90)),
    )
    for request in requests:
        await store.inbox.open(request)

    numbers = [entry.request_id[-1] for entry in await store.inbox.waiting(10)]
    assert numbers == ["4", "5", "2", "3", "1"]
    assert [entry.request_id[-1] for entry in await store.inbox.waiting(2)] == ["4", "5"]


async def test_a_request_that_nobody_opened_is_not_found_and_closing_it_is_harmless(store: Store) -> None:
    await store.inbox.close(asked(1), "approved", "grace", at(5))

    assert await store.inbox.find("refund/A-17#1") is None


async def test_a_case_started_anew_opens_its_first_request_beside_the_old_one(store: Store) -> None:
    await store.inbox.open(asked(1))
    await store.inbox.close(asked(1), "rejected", "grace", at(5))
    anew = asked(1, opened_at=at(10), first_run_id="run-2")

    await store.inbox.open(anew)

    assert await store.inbox.waiting(10) == (anew,)
    assert await store.inbox.find("refund/A-17#1") == anew


async def test_a_name_no_column_can_hold_does_not_keep_a_request_open(store: Store) -> None:
    await store.inbox.open(asked(1))

    await store.inbox.close(asked(1), "refused", "mallory\x00\ud800", at(5))

    assert await store.inbox.waiting(10) == ()


async def test_a_reminder_and_handing_on_are_recorded_once_with_their_moment(store: Store) -> None:
    await store.inbox.open(asked(1))
    for minute in (3, 4):
        await store.inbox.pass_on(asked(1), Passing(event=RequestEvent.REMINDED, at=at(minute)))
    await store.inbox.pass_on(asked(1), Passing(event=RequestEvent.HANDED_ON, at=at(6)))

    passed = asked(1).model_copy(update={"reminded_at": at(3), "handed_on_at": at(6)})
    assert await store.inbox.find("refund/A-17#1") == passed
    await store.inbox.close(asked(1), "expired", "", at(7))
    over = passed.model_copy(update={"closed_at": at(7), "outcome": "expired"})
    assert await store.inbox.find("refund/A-17#1") == over


async def test_what_happens_to_a_request_is_in_the_chain_and_its_notices_in_the_outbox_at_once(store: Store) -> None:
    await store.inbox.open(asked(1))
    await store.inbox.open(asked(1))
    await store.inbox.pass_on(asked(1), Passing(event=RequestEvent.REMINDED, at=at(3)))
    await store.inbox.close(asked(1), "approved", "grace", at(5))
    await store.inbox.close(asked(1), "rejected", "linus", at(6))

    kinds = "SELECT kind FROM audit ORDER BY seq"
    found = store._database.read_now(lambda connection: connection.exec_driver_sql(kinds).scalars().all())
    assert list(found) == ["request_opened", "request_passed", "request_closed"]


async def test_of_two_runs_with_the_same_request_id_each_finds_its_own(store: Store) -> None:
    await store.inbox.open(asked(1))
    await store.inbox.open(asked(1, opened_at=at(10), first_run_id="run-2"))

    first = await store.inbox.find("refund/A-17#1", asked(1).first_run_id)
    assert first == asked(1)
    assert await store.inbox.find("refund/A-17#1", "run-3") is None
