"""Forgeries through the real server, as updates and as signals, at real refunds that wait for one more signature.

Erik's genuine approval counts already at the first refund, Dana's at the second: any forgery that counted would make
two of two, and the credit would leave at once.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Check, Decision
from contracts.runs import RunView
from tests.forge.kinds import KINDS, Kind, Place, is_new
from tests.forge.reasons import check_that_says
from tests.forge.shop import Shop, a_shop, new_order, tired
from tests.forge.tally import Tally
from tests.forge.world import Scene
from tests.story import StoryRun

AT_ONCE = 8
"""Messages sent side by side; the server takes ten updates of a run at a time."""
ON_SIGHT = frozenset({Check.SHAPE, Check.UNSIGNED, Check.KEY, Check.KEY_VALIDITY, Check.SIGNATURE})
"""What a worker that knows the keys tells before an update costs an event."""
BY_THE_RUN = frozenset({Check.NAMESPACE, Check.RUN, Check.OPEN_REQUEST, Check.ACTION, Check.DISPLAY, Check.VERDICT})
"""What the run itself tells, likewise."""
COSTS_NOTHING = ON_SIGHT | BY_THE_RUN | {Check.EXPIRED}


@dataclass
class Target:
    """A refund that lacks one signature."""

    run: StoryRun
    scene: Scene
    lacks: str
    """Whose."""


@dataclass
class Replayed:
    """What became of the genuine decisions of a refund that was over, sent to the next one of the same case."""

    reasons: tuple[str, ...]
    effects: int

    @property
    def clean(self) -> bool:
        """None counted: the next run asks under another id, so that the request they name is not open there."""
        return not self.effects and all(check_that_says(each) is Check.OPEN_REQUEST for each in self.reasons)


async def forge_through_server(environment: WorkflowEnvironment, count: int, seed: int) -> Tally:
    """`count` forgeries of all kinds, every second one as a signal; at the end the genuine ones must count."""
    tally = Tally(seed)
    async with a_shop(environment) as shop:
        targets = {"erik": await _lacking(shop, "dana"), "dana": await _lacking(shop, "erik")}
        await tired(shop, targets["erik"].scene)
        for kind in KINDS:
            if kind.prepare is not None:
                await kind.prepare(targets[kind.beside].scene)
        before = shop.toolbox.effects()
        for index, kind in enumerate(KINDS):
            numbers = range(index, count, len(KINDS))
            await _try(targets[kind.beside], kind, numbers, tally)
        tally.effects = len(shop.toolbox.effects()) - len(before)
        tally.accepted += [problem for target in targets.values() if (problem := await _lost(shop, target))]
    return tally


async def _lacking(shop: Shop, whose: str) -> Target:
    run = await shop.refund(new_order())
    scene = await shop.scene(run)
    target = Target(run, scene, whose)
    await run.sends(scene.genuine["erik" if whose == "dana" else "dana"])
    return target


async def _lost(shop: Shop, target: Target) -> str:
    """What the forgeries have spoiled: one approval still counts, and with the other one the credit leaves, once."""
    view = await target.run.view()
    counted = [len(request.approvals) for request in view.waiting_for]
    if (view.state, counted) != ("awaiting_approval", [1]):
        return f"{target.run.handle.id} is {view.state} with {counted} approvals"
    await target.run.sends(target.scene.genuine[target.lacks])
    ending = await target.run.ending()
    credited = shop.credits.get(target.run.handle.id.removeprefix("refund/"), [])
    if ending.state != "refunded" or len(credited) != 1:
        return f"{target.run.handle.id} ended as {ending.state} with the credits {credited}: {ending.reason}"
    return ""


async def _try(target: Target, kind: Kind, numbers: range, tally: Tally) -> None:
    target.scene.now = await target.run.now()
    forged = [kind.make(target.scene, random.Random(f"{tally.seed}/server/{number}")) for number in numbers]
    tally.not_new += [f"{kind.name} through the server" for each in forged if not is_new(each, target.scene)]
    # Which of the two comes first changes from kind to kind, so that few forgeries are both as well.
    first = KINDS.index(kind) % 2
    await _as_updates(target, kind, forged[first::2], tally)
    await _as_signals(target, kind, forged[1 - first :: 2], tally)
    target.scene.authority.grants = ()


async def _as_updates(target: Target, kind: Kind, forged: list[Decision], tally: Tally) -> None:
    before = (await target.run.handle.describe()).history_length
    for batch in _batches(forged):
        for reason in await asyncio.gather(*(_refusal(target.run, each) for each in batch)):
            _count(kind, reason, tally)
    after = (await target.run.handle.describe()).history_length
    if kind.refused_at(Place.SERVER) in COSTS_NOTHING and after != before:
        tally.wrong_check.append(f"{kind.name}: refused updates cost {after - before} events of history")


async def _refusal(run: StoryRun, forged: Decision) -> str:
    """Why an update was refused; empty when it was taken, or when one before it was and the run is over."""
    try:
        await run.sends(forged)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    except WorkflowUpdateFailedError as error:
        assert isinstance(error.cause, ApplicationError), repr(error.cause)
        return error.cause.message
    return ""


async def _as_signals(target: Target, kind: Kind, forged: list[Decision], tally: Tally) -> None:
    for batch in _batches(forged):
        before = await target.run.view()
        if before.final:
            tally.accepted.append(f"{kind.name} or one before it: {before.workflow_id} is {before.state}")
            return
        await asyncio.gather(*(target.run.signals(each) for each in batch))
        view = await _refused_in_all(target.run, before.refused_count + len(batch))
        for refused in view.refused_decisions[-len(batch) :]:
            _count(kind, "" if view.final else refused.reason, tally)


async def _refused_in_all(run: StoryRun, wanted: int) -> RunView:
    return await run.until(lambda view: view.final or view.refused_count >= wanted)


def _count(kind: Kind, reason: str, tally: Tally) -> None:
    if reason:
        tally.refuse(kind, Place.SERVER, check_that_says(reason), reason)
    else:
        tally.accepted.append(f"{kind.name} through the server")


def _batches(forged: list[Decision]) -> Iterator[list[Decision]]:
    for start in range(0, len(forged), AT_ONCE):
        yield forged[start : start + AT_ONCE]


async def replay_to_the_next_run(environment: WorkflowEnvironment) -> Replayed:
    """A refund that two people signed is over; the same case is started anew, and their decisions are sent again."""
    async with a_shop(environment) as shop:
        order = new_order()
        first = await shop.refund(order)
        genuine = (await shop.scene(first)).genuine.values()
        for decision in genuine:
            await first.sends(decision)
        assert (await first.ending()).state == "refunded"
        shop.forget(order)
        second = await shop.refund(order, again="the first credit never reached the customer")
        await second.asked()
        effects = len(shop.toolbox.effects())
        reasons = [await second.refused(decision) for decision in genuine]
        await second.signals(next(iter(genuine)))
        view = await second.until(lambda view: view.refused_count == 1)
        return Replayed((*reasons, view.refused_decisions[-1].reason), len(shop.toolbox.effects()) - effects)
