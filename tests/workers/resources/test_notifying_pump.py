"""The pump: everybody is told once, refusals are retried ever later, what is undeliverable is given up openly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from activities.notices import Notice, NoticeRow, NoticeState, Route
from tests.stores import new_store
from tests.workers.resources.doubles import eventually
from tests.workers.store.samples import NINE, at, notice
from workers.resources.clock import SystemClock
from workers.resources.notifying.channel import NotNow, NotSent, Undeliverable
from workers.resources.notifying.pump import AT_ONCE, LEASE, STOPS_WITHIN, Backoff, Pump
from workers.resources.store import Store

PROMPT = Backoff(draw=lambda: 0.0)
NOWHERE = timedelta(milliseconds=10)


@dataclass
class Postbox:
    """Takes notices; refuses each as often as it was told to."""

    name: str = "mail"
    refusals: dict[str, list[NotSent | Exception]] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    tried: int = 0
    at_once: int = 0
    most_at_once: int = 0
    closed: bool = False
    before: Callable[[], Awaitable[object]] | None = None

    async def send(self, notice: Notice) -> None:
        self.tried += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            if self.before is not None:
                await self.before()
            if waiting := self.refusals.get(notice.recipient):
                raise waiting.pop(0)
            self.taken.append(notice.recipient)
        finally:
            self.at_once -= 1

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store from which notices leave by mail and to a chat."""
    routes = (Route(channel="mail", personal=True), Route(channel="chat", personal=False))
    opened = await asyncio.to_thread(Store.open, new_store(tmp_path), routes)
    yield opened
    await asyncio.to_thread(opened.close)


async def rows(store: Store) -> dict[str, NoticeRow]:
    """What was not sent, by recipient."""
    found = (*await store.outbox.waiting(99), *await store.outbox.undeliverable(99))
    return {row.notice.recipient: row for row in found}


async def test_one_recipient_who_cannot_be_reached_keeps_nobody_else_from_being_told(store: Store) -> None:
    people = ("fiona", "grace", "linus", "otto")
    await store.outbox.put(tuple(notice(n, who) for n, who in enumerate(people)), NINE)
    box = Postbox(refusals={"grace": [NotNow("busy")], "linus": [Undeliverable("550")], "otto": [ZeroDivisionError()]})
    pump = Pump(store.outbox, [box], SystemClock(), PROMPT)

    assert await pump.once(NINE) == 4
    assert box.taken == ["fiona"]
    left = await rows(store)
    assert {who: (row.state, row.last_problem) for who, row in left.items()} == {
        "grace": (NoticeState.WAITING, "busy"),
        "linus": (NoticeState.UNDELIVERABLE, "550"),
        "otto": (NoticeState.WAITING, "unforeseen ZeroDivisionError; see the worker's log"),
    }

    assert await pump.once(NINE) == 0
    assert await pump.once(at(1)) == 2
    assert sorted(box.taken) == ["fiona", "grace", "otto"]
    assert await pump.once(at(60 * 24)) == 0


async def test_attempts_come_ever_later_and_the_tenth_is_the_last(store: Store) -> None:
    await store.outbox.put((notice(),), NINE)
    box = Postbox(refusals={"fiona": [NotNow("busy")] * 99})
    pump = Pump(store.outbox, [box], SystemClock(), PROMPT)
    now, waits = NINE, list[float]()
    while (row := (await rows(store))["fiona"]).state is NoticeState.WAITING:
        waits.append((row.next_at - now).total_seconds())
        now = row.next_at
        assert await pump.once(now - timedelta(milliseconds=1)) == 0 or now == NINE
        await pump.once(now)

    assert waits == [0, 5, 20, 80, 320, 1280, 3600, 3600, 3600, 3600]
    assert box.tried == 10
    assert row.last_problem == "after 10 attempts: busy"
    assert [each.notice.id for each in await store.outbox.undeliverable(9)] == ["n-1"]


async def test_nothing_is_tried_more_than_a_day_after_it_was_entered(store: Store) -> None:
    await store.outbox.put((notice(),), NINE)
    box = Postbox(refusals={"fiona": [NotNow("busy")] * 99})
    pump = Pump(store.outbox, [box], SystemClock(), PROMPT)

    await pump.once(at(24 * 60 - 1))
    assert (await rows(store))["fiona"].state is NoticeState.WAITING
    await pump.once(at(24 * 60))
    assert (await rows(store))["fiona"].state is NoticeState.UNDELIVERABLE


async def test_as_late_as_the_other_side_asks_and_a_fifth_earlier_at_most_by_lot(store: Store) -> None:
    await store.outbox.put((notice(1), notice(2, "grace")), NINE)
    box = Postbox(refusals={"fiona": [NotNow("later", timedelta(minutes=90))], "grace": [NotNow("busy")]})
    await Pump(store.outbox, [box], SystemClock(), Backoff(draw=lambda: 1.0)).once(NINE)
    left = await rows(store)
    assert left["fiona"].next_at == at(90)
    assert left["grace"].next_at == NINE + timedelta(seconds=4)


async def test_so_many_at_once_and_no_more(store: Store) -> None:
    await store.outbox.put(tuple(notice(n, f"p{n}") for n in range(20)), NINE)
    enough = asyncio.Event()

    async def together() -> None:
        if box.at_once == AT_ONCE or len(box.taken) >= 2 * AT_ONCE:
            enough.set()
        await enough.wait()

    box = Postbox(before=together)
    pump = Pump(store.outbox, [box], SystemClock(), PROMPT)
    async with asyncio.timeout(20):
        assert [await pump.once(NINE) for _ in range(4)] == [AT_ONCE, AT_ONCE, 20 - 2 * AT_ONCE, 0]
    assert box.most_at_once == AT_ONCE
    assert sorted(box.taken) == sorted(f"p{n}" for n in range(20))


async def test_what_a_dead_worker_was_sending_is_sent_by_another_when_the_lease_is_over(store: Store) -> None:
    await store.outbox.put((notice(),), NINE)
    never = asyncio.Event()
    dead = Postbox(before=never.wait)
    killed = asyncio.create_task(Pump(store.outbox, [dead], SystemClock(), PROMPT).once(NINE))
    await eventually(lambda: dead.tried == 1)
    killed.cancel()
    await asyncio.wait({killed}, timeout=10)

    box = Postbox()
    other = Pump(store.outbox, [box], SystemClock(), PROMPT)
    assert await other.once(NINE + LEASE - timedelta(seconds=1)) == 0
    assert await other.once(NINE + LEASE) == 1
    assert box.taken == ["fiona"]


async def test_two_pumps_on_one_outbox_tell_everybody_once(store: Store) -> None:
    await store.outbox.put(tuple(notice(n, f"p{n}") for n in range(30)), NINE)
    box = Postbox()
    pumps = [Pump(store.outbox, [box], SystemClock(), PROMPT) for _ in range(2)]
    while sum(await asyncio.gather(*(pump.once(NINE) for pump in pumps))):
        pass
    assert sorted(box.taken) == sorted(f"p{n}" for n in range(30))


async def test_a_channel_that_hangs_holds_up_no_other_and_ends_in_bounded_time(store: Store) -> None:
    never = asyncio.Event()
    hanging, chat = Postbox(before=never.wait), Postbox(name="chat")
    loop = asyncio.get_running_loop()
    async with Pump(store.outbox, [hanging, chat], SystemClock(), PROMPT, every=NOWHERE):
        await store.outbox.put((notice(1), notice(2, "")), await SystemClock().now())
        await eventually(lambda: hanging.tried == 1 and chat.taken == [""])
        begun = loop.time()
    assert loop.time() - begun < STOPS_WITHIN.total_seconds() + 5
    assert hanging.closed and chat.closed and chat.taken == [""]
    assert (await rows(store))["fiona"].state is NoticeState.WAITING


async def test_what_is_being_sent_when_the_worker_stops_is_sent_and_recorded(store: Store) -> None:
    go_on = asyncio.Event()
    box = Postbox(before=go_on.wait)
    async with Pump(store.outbox, [box], SystemClock(), PROMPT, every=NOWHERE):
        await store.outbox.put((notice(),), await SystemClock().now())
        await eventually(lambda: box.tried == 1)
        asyncio.get_running_loop().call_soon(go_on.set)
    assert box.taken == ["fiona"] and await rows(store) == {}


@dataclass
class FailingClock:
    """Fails once, as a store that is away for a moment would."""

    failed: bool = False

    async def now(self) -> datetime:
        if not self.failed:
            self.failed = True
            raise ConnectionError
        return await SystemClock().now()


async def test_a_moment_of_trouble_does_not_end_it(store: Store) -> None:
    box, clock = Postbox(), FailingClock()
    await store.outbox.put((notice(),), NINE)
    async with Pump(store.outbox, [box], clock, PROMPT, every=NOWHERE, after_trouble=NOWHERE):
        await eventually(lambda: box.tried > 0)
    assert clock.failed
