"""Every way through the automations, its worker killed in a state: run it, and hold the servers' books against it."""

import asyncio
import os
import signal
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Literal

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from contracts.canonical import digest
from contracts.decisions import ApprovalRequest, Decision, RequestKind, Verdict
from contracts.deliveries import Delivery
from contracts.runs import WORKFLOW_TASK_TIMEOUT, Ending, RunView, StartStatement
from contracts.wire import DATA_CONVERTER
from demo.mcp_servers.people_records.archive import Archive
from demo.mcp_servers.people_records.records import PaperKind
from tests.demo_servers import Rows, put_books, rows_in
from tests.faults.dying import DEPLOYMENT, Death, DyingOrder, When
from tests.faults.journeys import JOURNEYS
from tests.faults.nursery import WAITED, Child, Nursery
from tests.faults.ways.books import LEAVES, differences, new_rows
from tests.faults.ways.journey import Journey
from tests.stores import new_store
from workers.embedded.ports import OTHER_PORTS, choose_ports
from workers.embedded.temporal_server import TemporalServer, until_serving
from workflows.catalog import Catalog

AT_ONCE = 4
ENDS_WITHIN_SECONDS = 120.0
LOOKED_EVERY_SECONDS = 0.1
ASKED_WITHIN = timedelta(seconds=5)
BY_THE_CLOCK = {
    ("refund", "expired"),
    ("compensate_checkout_failure", "expired"),
    ("operations_change", "expired"),
    ("operations_change", "last_look"),
    ("operations_change", "kept"),
}
"""States that only days lead to, as a deletion cools off for three: stories tell of them, where clocks are moved."""


@dataclass
class Walked:
    """One way that was gone, and what is wrong with where it led."""

    journey: Journey
    death: Death | None
    died: bool = False
    activities: Counter[str] = field(default_factory=Counter)
    """State -> the activities that were begun in it."""
    waited_in: set[str] = field(default_factory=set)
    """The states in which people were asked."""
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.journey.automation}, {self.journey.name}: {self.death or 'nobody dies'}"


class Worker:
    """The worker of one walk: followed by another as soon as it is dead."""

    def __init__(self, nursery: Nursery, order: DyingOrder) -> None:
        self._nursery, self._order = nursery, order
        self._pid = 0
        self._dead = asyncio.Event()
        self.deaths = 0

    def start(self, death: Death | None) -> None:
        """Order one."""
        self._dead.clear()
        self._nursery.fork(self._order.model_copy(update={"death": death}), self._heard)

    def _heard(self, what: str, pid: int) -> None:
        self._pid = 0 if what == "dead" else pid
        if what == "dead":
            self.deaths += 1
            self._dead.set()

    def kill(self) -> None:
        """kill -9, of whoever works now."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    async def followed(self) -> None:
        """For ever: another one for each that is dead."""
        while True:
            await self._dead.wait()
            self._nursery.check()
            self.start(None)


@dataclass
class Walkers:
    """What all walks share."""

    nursery: Nursery
    client: Client
    ledger: Literal["on", "off"] = "on"
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def walk(self, journey: Journey, death: Death | None = None) -> Walked:
        """Go this way, with a worker that dies so; judged by the servers' own books."""
        async with self.gate:
            with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
                return await self._walk(Path(folder), Walked(journey, death))

    async def _walk(self, folder: Path, walked: Walked) -> Walked:
        journey, books = walked.journey, folder / "books"
        books.mkdir()
        await asyncio.to_thread(put_books, books)
        order = DyingOrder(
            folder=folder,
            address=self.client.service_client.config.target_host,
            task_queue=f"{journey.automation}-{uuid.uuid4().hex[:8]}",
            store_url=await asyncio.to_thread(new_store, folder),
            journey=journey.name,
            ledger=self.ledger,
        )
        if journey.after is not None:
            before_it = Walked(journey.after, death=None)
            await self._go(order.model_copy(update={"journey": journey.after.name}), before_it, rows_in(books))
            walked.problems += before_it.problems
            (folder / "activities").unlink(missing_ok=True)
        for kind in journey.stored:
            store_paper(books, journey, kind)
        before = rows_in(books)
        await self._go(order, walked, before)
        walked.problems += differences(before, rows_in(books), journey.effects)
        walked.problems += _broken(folder / "workers.log")
        walked.activities = Counter((folder / "activities").read_text().splitlines())
        return walked

    async def _go(self, order: DyingOrder, walked: Walked, before: Rows) -> None:
        """From the start to the end, with whoever follows whoever died."""
        journey = walked.journey
        handle = await _started(self.client, journey, order.task_queue)
        worker = Worker(self.nursery, order)
        worker.start(walked.death)
        people = People(handle, worker, walked, before, order.folder / "books")
        try:
            ending = await _ended(handle, worker, people)
            walked.problems += [] if ending == journey.ending else [f"it ended as {ending}, not as {journey.ending}"]
        except (AssertionError, TimeoutError) as error:
            walked.problems.append(f"it did not come to its end: {error or 'in time'}")
        finally:
            walked.died = worker.deaths > 0
            worker.kill()


def store_paper(books: Path, journey: Journey, kind: PaperKind) -> Delivery:
    """Put a paper of whoever is to join into the records; the word that it stands there."""
    paper = Archive(books).store(journey.request["employee_id"], kind, f"{kind}.pdf", f"my {kind}".encode())
    return Delivery(kind=kind, reference=paper.reference, digest=paper.digest, by=journey.requester)


def _broken(log: Path) -> list[str]:
    """Of a worker that ended itself otherwise than it was told to."""
    said = log.read_text(errors="replace") if log.exists() else ""
    return [f"a worker broke: {said[-1000:]}"] if "Traceback" in said else []


async def _started(client: Client, journey: Journey, task_queue: str) -> WorkflowHandle[object, Ending]:
    entry = Catalog.load().find(journey.automation)
    request = entry.request.model_validate(journey.request)
    workflow_id = f"{journey.automation}/{uuid.uuid4().hex[:12]}"
    start = StartStatement(
        requester=journey.requester,
        automation=journey.automation,
        business_key=entry.business_key(request),
        input_digest=digest(request.model_dump(mode="json")),
        issued_at=datetime.now(UTC),
        deployment=DEPLOYMENT.id,
        workflow_id=workflow_id,
    )
    return await client.start_workflow(
        journey.automation,
        entry.first_case(request, start),
        id=workflow_id,
        task_queue=task_queue,
        task_timeout=WORKFLOW_TASK_TIMEOUT,
        result_type=Ending,
    )


async def _ended(handle: WorkflowHandle[object, Ending], worker: Worker, people: "People") -> str:
    """The final state. Raises TimeoutError, and whatever the people could not do."""
    beside = [asyncio.create_task(worker.followed()), asyncio.create_task(people.answer())]
    result = asyncio.create_task(_result(handle))
    try:
        async with asyncio.timeout(ENDS_WITHIN_SECONDS):
            done, _ = await asyncio.wait({result, *beside}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return result.result()
    finally:
        for task in (result, *beside):
            task.cancel()
        await asyncio.wait({result, *beside})


async def _result(handle: WorkflowHandle[object, Ending]) -> str:
    return (await handle.result()).state


class People:
    """Whoever is asked: they say what the journey has them say, and look into the books where nobody knows."""

    def __init__(
        self, handle: WorkflowHandle[object, Ending], worker: Worker, walked: Walked, before: Rows, books: Path
    ) -> None:
        self._handle, self._worker, self._walked = handle, worker, walked
        self._before, self._books = before, books
        self._left = list(walked.journey.people)
        self._to_hand_in = walked.journey.hands_in
        self._said: Counter[str] = Counter()

    async def answer(self) -> None:
        """For ever. Raises AssertionError when somebody is asked what the journey does not know of."""
        while True:
            await asyncio.sleep(LOOKED_EVERY_SECONDS)
            with suppress(RPCError, TimeoutError):
                view = await self.view()
                await self._hand_in(view)
                for request in view.waiting_for:
                    self._walked.waited_in.add(view.state)
                    await self._answer(view, request)

    async def view(self) -> RunView:
        """Where the run stands, as a worker that lives tells it."""
        view: RunView = await self._handle.query("view", result_type=RunView, rpc_timeout=ASKED_WITHIN)
        return view

    async def _hand_in(self, view: RunView) -> None:
        """The paper that belongs into this state, once."""
        if self._to_hand_in is None or self._to_hand_in[0] != view.state:
            return
        self._walked.waited_in.add(view.state)
        if self._dies_meanwhile(view):
            self._worker.kill()
            return
        paper = await asyncio.to_thread(store_paper, self._books, self._walked.journey, self._to_hand_in[1])
        self._to_hand_in = None
        await self._handle.signal("deliver", paper)

    async def _answer(self, view: RunView, request: ApprovalRequest) -> None:
        if self._said[request.id] > len(request.approvals):
            return  # what was said is on its way
        if self._dies_meanwhile(view):
            self._worker.kill()
            return
        if request.kind is RequestKind.OUTCOME:
            verdict, by = self._found(), "olga"
        else:
            assert self._left, f"it asks what nobody should be asked: {request.title}: {view.reason}"
            verdict, by = self._left.pop(0)
        self._said[request.id] += 1
        await self._handle.signal("decide", _decision(view, request, verdict, by))

    def _dies_meanwhile(self, view: RunView) -> bool:
        death = self._walked.death
        waits = death is not None and death.when is When.WAITING and death.state == view.state
        return waits and self._worker.deaths == 0

    def _found(self) -> Verdict:
        """Of a call that nobody knows of: whether it stands in the books."""
        now = rows_in(self._books)
        found = any(new_rows(self._before[table], now[table]) for table in LEAVES.values())
        return Verdict.HAPPENED if found else Verdict.DID_NOT_HAPPEN


def _decision(view: RunView, request: ApprovalRequest, verdict: Verdict, by: str) -> Decision:
    now = datetime.now(UTC)
    return Decision(
        deployment=DEPLOYMENT.id,
        namespace=DEPLOYMENT.namespace,
        workflow_id=view.workflow_id,
        first_run_id=view.first_run_id,
        approval_id=request.id,
        action_digest=request.action_digest,
        verdict=verdict,
        approver=by,
        issued_at=now,
        expires_at=request.deadline or now + timedelta(days=1),
        display_digest=request.display_digest,
        note="as the books say",
    )


# The lane.


def deaths_in(walked: Walked, lot: Random) -> Iterator[Death]:
    """One in each state that a way leads through, at a moment that is drawn by lot."""
    for state, begun in sorted(walked.activities.items()):
        moments = [When.ENTERING, When.BEFORE, When.AFTER, *([When.WAITING] if state in walked.waited_in else [])]
        yield Death(state=state, when=lot.choice(moments), nth=lot.randint(1, begun))


Choice = Callable[[Sequence[Walked], Random], list[tuple[Journey, Death]]]
"""Of ways that were gone in peace: which to go again, and where whoever works there then dies."""


def on_every_way(in_peace: Sequence[Walked], lot: Random) -> list[tuple[Journey, Death]]:
    """A death in each state of each way."""
    return [(walked.journey, death) for walked in in_peace for death in deaths_in(walked, lot)]


def in_each_state(in_peace: Sequence[Walked], lot: Random) -> list[tuple[Journey, Death]]:
    """A death in each state of each automation, on one of the ways that lead through it."""
    ways: defaultdict[tuple[str, str], list[tuple[Journey, Death]]] = defaultdict(list)
    for journey, death in on_every_way(in_peace, lot):
        ways[journey.automation, death.state].append((journey, death))
    return [lot.choice(those) for those in ways.values()]


async def every_state(
    walkers: Walkers, journeys: Sequence[Journey], choices: Sequence[Choice], seed: int, tell: Callable[[Walked], None]
) -> list[Walked]:
    """Each way once in peace, to see what states there are; then with the deaths that are chosen from them."""

    async def told(journey: Journey, death: Death | None = None) -> Walked:
        walked = await walkers.walk(journey, death)
        tell(walked)
        return walked

    lot = Random(seed)
    in_peace = await asyncio.gather(*map(told, journeys))
    planned = [chosen for choose in choices for chosen in choose(in_peace, lot)]
    killed = await asyncio.gather(*(told(journey, death) for journey, death in planned))
    return [*in_peace, *killed]


@asynccontextmanager
async def walkers_of(nursery: Nursery, ledger: Literal["on", "off"] = "on") -> AsyncIterator[Walkers]:
    """Walkers on a Temporal server of their own."""
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        ports = choose_ports({"temporal": OTHER_PORTS[0]})
        server = TemporalServer(ports["temporal"], database=Path(folder) / "temporal.db", log_level="never")
        child = await Child.start(*server.argv(), log=Path(folder) / "temporal.log")
        try:
            await until_serving(server.address, WAITED)
            yield Walkers(nursery, await Client.connect(server.address, data_converter=DATA_CONVERTER), ledger)
        finally:
            await child.end()


def rows(every: Iterable[Walked]) -> Iterator[str]:
    """For people: where workers were killed, and what came of it."""
    hit: defaultdict[str, Counter[str]] = defaultdict(Counter)
    walks, wrong = Counter[str](), Counter[str]()
    for walked in every:
        walks[walked.journey.automation] += 1
        wrong[walked.journey.automation] += len(walked.problems)
        if walked.death is not None and walked.died:
            hit[walked.journey.automation][walked.death.state] += 1
    for automation, count in walks.items():
        states = ", ".join(f"{state} {times}" for state, times in sorted(hit[automation].items()))
        yield f"{automation}: {count} runs, {sum(hit[automation].values())} workers killed in: {states}"
        yield f"{automation}: {wrong[automation]} problems"


def shortcomings(every: Sequence[Walked], catalog: Catalog) -> Iterator[str]:
    """What was not put to the test: an automation without a way, a state that no worker died in."""
    for entry in catalog.entries():
        own = [walked for walked in every if walked.journey.automation == entry.name]
        if not own:
            yield f"no way through {entry.name} is written down in tests/faults/ways/"
            continue
        hit = {walked.death.state.partition(",")[0] for walked in own if walked.death is not None and walked.died}
        for state in entry.machine.states:
            if state.value not in hit and (entry.name, state.value) not in BY_THE_CLOCK:
                yield f"no worker was killed in {entry.name} {state.value}"
    for walked in every:
        if walked.death is not None and not walked.died:
            yield f"nobody died: {walked}"


def journeys_of(*automations: str) -> tuple[Journey, ...]:
    """Those through these automations, or all."""
    return tuple(each for each in JOURNEYS if not automations or each.automation in automations)
