"""Several processes at one store, at the same moment: exactly one of them is first."""

import multiprocessing
from collections import Counter
from itertools import accumulate

from activities.conversations import Delta
from activities.notices import Route
from tests.workers.store.rival import compete
from tests.workers.store.samples import NINE, RUN, at, claim, notice
from workers.resources.store import Store

RIVALS = 6
PATIENCE_SECONDS = 60
CLEAN = multiprocessing.get_context("forkserver")
"""Rivals are forked from a process that has imported what they need and opened nothing: six starts in one."""
CLEAN.set_forkserver_preload([compete.__module__])


def race(deed: str, url: str, rivals_in_all: int = RIVALS) -> Counter[str]:
    """What so many processes say came of doing the same thing at the same moment."""
    ready, said = CLEAN.Barrier(rivals_in_all, timeout=PATIENCE_SECONDS), CLEAN.SimpleQueue()
    rivals = [CLEAN.Process(target=compete, args=(deed, url, ready, said)) for _ in range(rivals_in_all)]
    try:
        for rival in rivals:
            rival.start()
        for rival in rivals:
            rival.join(PATIENCE_SECONDS)
    finally:
        for rival in rivals:
            rival.kill()
    assert [rival.exitcode for rival in rivals] == [0] * rivals_in_all
    return Counter(said.get() for _ in rivals)


async def test_of_six_processes_exactly_one_may_send(store: Store, store_url: str) -> None:
    await store.ledger.claim(claim(), NINE)

    assert race("mark_sent", store_url) == {"won": 1, "lost": RIVALS - 1}

    entry = await store.ledger.find("key-1")
    assert entry is not None
    assert (entry.generation, entry.sends) == (1, 1)


async def test_of_six_answers_from_six_processes_all_see_the_same_one(store: Store, store_url: str) -> None:
    await store.conversations.ask(RUN, "assessing", Delta(turn=0, user=["hello"]), NINE)

    assert list(race("answer", store_url).values()) == [RIVALS]


def test_of_six_runs_of_one_case_one_gets_it_and_the_others_are_told_which(store_url: str) -> None:
    assert list(race("register", store_url).values()) == [RIVALS]


def test_of_ten_credits_reserved_by_ten_processes_each_comes_to_another_sum(store_url: str) -> None:
    assert race("reserve", store_url, 10) == dict.fromkeys(map(str, accumulate([999] * 10)), 1)


def test_six_processes_that_open_a_new_store_at_once_share_it_and_its_pseudonyms(unmade_url: str) -> None:
    assert list(race("pseudonym", unmade_url).values()) == [RIVALS]


async def test_every_notice_is_leased_by_exactly_one_of_six_processes(store: Store, store_url: str) -> None:
    routed = Store.open(store_url, (Route(channel="mail", personal=True),))
    await routed.outbox.put(tuple(notice(number) for number in range(40)), NINE)
    routed.close()

    leased = " ".join(race("lease", store_url).elements()).split()

    assert sorted(leased) == sorted(f"n-{number}" for number in range(40))
    assert {row.attempts for row in await store.outbox.waiting(99)} == {1}
    assert await store.outbox.lease("mail", "late", at(6), at(1), 10) == ()
