"""A process of its own that does one thing to a store the moment it is told to, and says what came of it."""

import asyncio
import os
import sys
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from activities.conversations import RunKey
from activities.inbox import CaseTaken, TooManyActive
from activities.totals import Spending
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest
from contracts.servers import Rate
from contracts.tools import Share
from tests.workers.store.samples import NINE, RUN, answered, at, started
from workers.resources.store import Store

CREDITED = Share(total="requester", of="rita on 2026-11-20", amount=999)
KILLED = 9
APPENDS = 10
MOST = 2
"""Runs that may be active at once."""


def spending(key: str) -> Spending:
    """The action of this key."""
    return Spending(key=key, action_digest=digest(key.encode()), run=RUN)


async def mark_sent(store: Store, me: str) -> str:
    """Whether this process won the right to send."""
    return "won" if await store.ledger.mark_sent("key-1", 0, me, NINE) else "lost"


async def answer(store: Store, me: str) -> str:
    """The answer that stands after this process gave its own."""
    delta = await store.conversations.answer(RUN, "assessing", 0, [me], answered(), NINE)
    return str(delta.assistant)


async def register(store: Store, me: str) -> str:
    """Whether this process's run holds the business key."""
    try:
        await store.starts.register(started(RunKey(workflow_id=RUN.workflow_id, first_run_id=me)), NINE)
    except CaseTaken as taken:
        return f"taken by {taken.first_run_id}"
    return f"taken by {me}"


async def register_if_there_is_room(store: Store, me: str) -> str:
    """Whether this process's run, of a case of its own, was registered."""
    run = RunKey(workflow_id=f"refund/{me}", first_run_id=me)
    try:
        await store.starts.register(started(run, business_key=me), NINE, MOST)
    except TooManyActive:
        return "refused"
    return "taken"


async def pseudonym(store: Store, me: str) -> str:
    """Ada's pseudonym."""
    return await store.starts.pseudonym("ada")


async def reserve(store: Store, me: str) -> str:
    """What Rita's day came to by this process's credit."""
    return str((await store.totals.reserve(spending(me), (CREDITED,), NINE))["requester"])


async def reserve_and_die(store: Store, _: str) -> str:
    """Reserve, and end at once, as when killed between the commit and the answer."""
    await store.totals.reserve(spending("key-1"), (CREDITED,), NINE)
    os._exit(KILLED)


async def lease(store: Store, me: str) -> str:
    """The notices this process may send."""
    leased = await store.outbox.lease("mail", me, at(5), NINE, 10)
    return " ".join(sorted(row.notice.id for row in leased))


async def append(store: Store, me: str) -> str:
    """Some records of its own in one stream."""
    for number in range(APPENDS):
        await store.audit.append(
            AuditRecord(kind=AuditKind.COMMAND, at=NINE, **RUN.model_dump(), about=f"{me}.{number}")
        )
    return "appended"


async def append_once(store: Store, me: str) -> str:
    """What may be told once."""
    await store.audit.append(AuditRecord(kind=AuditKind.COMMAND, at=NINE, **RUN.model_dump(), about=me, once="1"))
    return "appended"


async def look(store: Store, me: str) -> str:
    """What this process may do when the breaker is due, and whether it got one of three tokens."""
    leave = await store.breakers.admit("payments", me, at(5))
    seconds = await store.rates.take("payments", Rate(calls=3, seconds=1), NINE)
    return f"{leave.may.value} {'late' if seconds else 'token'}"


ON_RUNS = (mark_sent, answer, register, pseudonym, reserve, reserve_and_die, lease, append, append_once)
DEEDS = {deed.__name__: deed for deed in (*ON_RUNS, look, register_if_there_is_room)}


def done(deed: str, url: str) -> str:
    """What came of it, in a store that is opened at the same moment too."""
    store = Store.open(url)
    try:
        return asyncio.run(DEEDS[deed](store, str(os.getpid())))
    finally:
        store.close()


def compete(deed: str, url: str, ready: Barrier, said: "SimpleQueue[str]") -> None:
    """Do it once all rivals are ready to."""
    ready.wait()
    said.put(done(deed, url))


def say(line: str) -> None:
    """To whoever started this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """`rival.py <deed> <url>`; the moment is a line on standard input."""
    deed, url = sys.argv[1:]
    say("ready")
    sys.stdin.readline()
    say(done(deed, url))


if __name__ == "__main__":
    main()
