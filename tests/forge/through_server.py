"""Forgeries sent to a run on the real Temporal server, as updates and as signals, in production mode."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio.testing import WorkflowEnvironment

from activities.evidence import problem_on_sight
from contracts.decisions import Decision, Verdict
from contracts.deployment import Deployment, Mode
from tests.authority import Signer
from tests.forge.kinds import KINDS, Kind, is_new
from tests.forge.world import People, Scene
from tests.story import DEPLOYMENT, Story, StoryRun, a_story
from tests.workflows.refund_world import Books, claude_advising

PRODUCTION = Deployment(id=DEPLOYMENT.id, namespace=DEPLOYMENT.namespace, mode=Mode.PRODUCTION)
TWO_SIGN_CENTS = 200_000
AT_ONCE = 50
"""Signals that are sent before what became of them is awaited; an inbox takes a hundred."""
PER_RUN = 200


@dataclass
class Sent:
    """What became of the forgeries."""

    seed: int
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Kind, and the way it was sent."""
    accepted: list[str] = field(default_factory=list)
    effects_before: int = 0
    """Effects while only forgeries had been sent."""
    events_of_updates: int = 0
    """Events that refused updates have left in histories."""
    genuine: list[str] = field(default_factory=list)
    """Endings of the runs, once their two genuine decisions had come."""

    @property
    def tried(self) -> int:
        """How many were sent."""
        return sum(self.refused.values()) + len(self.accepted)


async def send_forgeries(temporal: WorkflowEnvironment, count: int, seed: int) -> Sent:
    """`count` forgeries of all kinds, every second one as a signal; then the genuine pair, which must count."""
    sent = Sent(seed)
    for first in range(0, count, PER_RUN):
        await _one_run(temporal, range(first, min(first + PER_RUN, count)), sent)
    return sent


@asynccontextmanager
async def asking_for_two(temporal: WorkflowEnvironment) -> AsyncIterator[tuple[Story, StoryRun, Scene, Books]]:
    """A refund that the service `desk` has started for rita, and that waits for two finance managers."""
    people, books = People(), Books()
    toolbox = books.toolbox()
    roster = people.roster(datetime.now(UTC))

    def on_sight(decision: Decision) -> str:
        problem = problem_on_sight(decision, PRODUCTION, roster, datetime.now(UTC))
        return problem.sentence if problem else ""

    claude = claude_advising(TWO_SIGN_CENTS)
    in_production = {"deployment": PRODUCTION, "roster": roster, "on_sight": on_sight}
    async with a_story(temporal, claude, toolbox, **in_production) as story:  # type: ignore[arg-type]
        await story.accept_pins(toolbox)
        run = await story.start("refund", order_id="A-17", signer=people.desk, on_behalf_of=("nora",))
        template = await run.decision(Verdict.APPROVE)
        template = template.model_copy(update={"expires_at": template.issued_at + timedelta(hours=1)})
        genuine = {signer.subject: signer.signed(template) for signer in (people.dana, people.erik)}
        scene = Scene(people, story.store, story.authority, run.handle.id, template.issued_at, genuine)
        await _tire(people.tom, story, template)
        yield story, run, scene, books


async def _one_run(temporal: WorkflowEnvironment, numbers: range, sent: Sent) -> None:
    async with asking_for_two(temporal) as (story, run, scene, books):
        forged = [_forged(scene, number, sent.seed) for number in numbers]
        by_signal = [(number + number // len(_kinds())) % 2 == 1 for number in numbers]  # each kind goes both ways
        signals = [each for each, signal in zip(forged, by_signal, strict=True) if signal]
        updates = [each for each, signal in zip(forged, by_signal, strict=True) if not signal]
        await _as_updates(run, story, updates, sent)
        await _as_signals(run, signals, sent)
        sent.effects_before += len(books.credits)
        await run.sends(scene.genuine["dana"])
        await run.sends(scene.genuine["erik"])
        sent.genuine.append((await run.ending()).state)


def _forged(scene: Scene, number: int, seed: int) -> tuple[Kind, Decision]:
    kind = _kinds()[number % len(_kinds())]
    forged = kind.make(scene, random.Random(f"{seed}/server/{number}"))
    assert is_new(forged, scene), f"{kind.name} ({seed}/{number}) is genuine"
    return kind, forged


def _kinds() -> tuple[Kind, ...]:
    """Those that need nothing to count beside them, and no grant that would stand for the others too."""
    return tuple(
        kind for kind in KINDS if kind.beside == "erik" and kind.prepare is None and "emergency" not in kind.name
    )


async def _as_updates(run: StoryRun, story: Story, forged: list[tuple[Kind, Decision]], sent: Sent) -> None:
    """One after the other. What is not genuine on sight leaves no trace in the history."""
    for kind, decision in forged:
        on_sight = problem_on_sight(decision, PRODUCTION, story.authority.people, datetime.now(UTC))
        before = (await run.handle.describe()).history_length if on_sight else 0
        try:
            await run.refused(decision)
        except AssertionError as taken:
            sent.accepted.append(f"{kind.name} as an update: {taken}")
            continue
        sent.refused[kind.name, "update"] += 1
        if on_sight:
            sent.events_of_updates += (await run.handle.describe()).history_length - before


async def _as_signals(run: StoryRun, forged: list[tuple[Kind, Decision]], sent: Sent) -> None:
    for first in range(0, len(forged), AT_ONCE):
        batch = forged[first : first + AT_ONCE]
        wanted = (await run.view()).refused_count + len(batch)
        await asyncio.gather(*(run.signals(decision) for _, decision in batch))
        view = await run.until(lambda seen, wanted=wanted: seen.refused_count >= wanted or not seen.waiting_for)  # type: ignore[misc]
        if view.refused_count != wanted or view.waiting_for[0].approvals:
            sent.accepted.append(f"among {[kind.name for kind, _ in batch]} as signals: {view.waiting_for}")
        sent.refused.update((kind.name, "signal") for kind, _ in batch)


async def _tire(signer: Signer, story: Story, template: Decision) -> None:
    """As many decisions of this person as anybody may make in an hour, on other runs."""
    for number in range(story.authority.people.decisions_per_hour):
        elsewhere = signer.signed(template, approval_id=f"refund/B-{number}#1")
        await story.store.decided.use(elsewhere, signer.subject, template.issued_at)
