"""Impostors that meddle with what is another run's: its requests to people, its ending, its steps."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from activities.keys import idempotency_key
from contracts.decisions import (
    APPROVAL_VERDICTS,
    RequestEvent,
    RequestKind,
    RequestToClose,
    RequestToOpen,
    RequestToPass,
)
from contracts.policy import Obligation
from contracts.runs import RunEnded
from tests.forge.false_calls import CREDIT
from tests.forge.false_starts import NO_RECORD
from tests.forge.intruder import Answer, Intruder, insider, intruder
from tests.forge.shop import PRODUCTION
from tests.forge.variants import Target, Told, Variant, small, word

UNTOUCHED = "it stands as it stood"
NOTHING = "nothing was said"
Meddler = Callable[[Target, Intruder, random.Random], Any]


async def _standing(target: Target) -> dict[str, Any]:
    """What the store and the run itself say of the waiting one."""
    store, run = target.shop.story.store, target.waiting
    record = await store.starts.look_up("refund", target.order, {})
    return {
        "its request": await store.inbox.find(f"{run.handle.id}#1"),
        "the open requests": [entry.request_id for entry in await store.inbox.waiting(1_000)],
        "its start record": (record.workflow_id, record.first_run_id, record.ending),
        "what it waits for": (await run.view()).waiting_for,
    }


def _meddling(meddle: Meddler, *, let_in: bool = False) -> Callable[[Target, random.Random], Any]:
    """`let_in`: always with a start record, so that nothing else keeps it from meddling."""

    async def attempt(target: Target, chance: random.Random) -> Told:
        before = await _standing(target)
        opened = insider(target.shop) if let_in or chance.random() < 0.5 else intruder(target.shop)
        async with opened as run:
            answer: Answer = await meddle(target, run, chance)
        after = await _standing(target)
        changed = ", ".join(what for what in before if before[what] != after[what])
        return Told(f"{answer.problem or NOTHING}; {f'changed: {changed}' if changed else UNTOUCHED}")

    return attempt


async def _close(target: Target, run: Intruder, chance: random.Random) -> Answer:
    outcome = chance.choice(["approved", "rejected", "expired", "withdrawn"])
    return await run.tries(
        "close_request", RequestToClose(request_id=f"{target.waiting.handle.id}#1", outcome=outcome, by="dana")
    )


async def _pass_on(target: Target, run: Intruder, chance: random.Random) -> Answer:
    event = chance.choice(list(RequestEvent))
    return await run.tries("pass_request", RequestToPass(request_id=f"{target.waiting.handle.id}#1", event=event))


async def _open(target: Target, run: Intruder, chance: random.Random) -> Answer:
    """Whoever looks the request up by its id must not be shown the impostor's."""
    return await run.tries("open_request", await _request(target, chance))


async def _request(target: Target, chance: random.Random) -> RequestToOpen:
    return RequestToOpen(
        request_id=f"{target.waiting.handle.id}#{chance.choice([1, 1, 2])}",
        kind=chance.choice(list(RequestKind)),
        automation="refund",
        state="awaiting_approval",
        title=word(chance),
        action_digest=target.genuine[0].action_digest,
        obligations=(Obligation(role="finance_manager", within=timedelta(days=9), rule_id="mine"),),
        options=APPROVAL_VERDICTS,
        asked_at=await target.waiting.now(),
        context=(),
    )


async def _open_unasked(target: Target, run: Intruder, chance: random.Random) -> Answer:
    """Without a start record nobody is asked, and nobody is sent mail."""
    async with intruder(target.shop) as nobody:
        told = (await _request(target, chance)).model_copy(update={"request_id": f"{nobody.run.workflow_id}#1"})
        return await nobody.tries("open_request", told)


async def _end(_: Target, run: Intruder, chance: random.Random) -> Answer:
    """There is no way to say whose ending it is: it is the caller's own."""
    return await run.tries("record_ending", RunEnded(state=chance.choice(["refunded", "rejected"])))


async def _same_step(target: Target, chance: random.Random) -> Told:
    """The very step and occurrence of the waiting refund's credit: a key of its own all the same."""
    before = await _standing(target)
    step, occurrence = chance.choice([("payments.issue_credit", "1"), (f"{target.waiting.handle.id}#1", "")])
    async with insider(target.shop) as run:
        first = await run.calls(run.credit(small(chance), step=step, occurrence=occurrence))
        after = await _standing(target)
    assert first.startswith("done"), first
    used, own = target.shop.toolbox.keys[-1], idempotency_key(PRODUCTION.id, run.run, step, occurrence)
    return Told(UNTOUCHED if used == own and after == before else f"{used} was used, not {own}", (CREDIT,))


REQUEST_VARIANTS = (
    Variant("closing another run's request", f"^{NOTHING}; {UNTOUCHED}", _meddling(_close)),
    Variant("handing on another run's request", f"^{NOTHING}; {UNTOUCHED}", _meddling(_pass_on)),
    Variant("opening another run's request", f"is no request of .*; {UNTOUCHED}", _meddling(_open, let_in=True)),
    Variant("asking people without a start record", f"{NO_RECORD}.*; {UNTOUCHED}", _meddling(_open_unasked)),
    Variant("ending another run", f"^{NOTHING}; {UNTOUCHED}", _meddling(_end, let_in=True)),
    Variant("the step of another run", UNTOUCHED, _same_step),
)
