"""A worker of the whole catalog over the demo's servers that kills itself in a state of a run, at one moment in it."""

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NoReturn

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from activities.prompt_files import PromptFiles
from contracts.deployment import Deployment, Mode
from contracts.model import Model
from contracts.runs import Case
from contracts.wire import DATA_CONVERTER
from tests.authority import FixedAuthority, store_ports
from tests.demo_servers import DemoServers
from tests.doubles import ScriptedClaude
from tests.faults.forgetful import without_ledger
from tests.faults.journeys import JOURNEYS
from tests.faults.ways.journey import Journey
from tests.workflows.onboarding_world import rules
from tests.workflows.operations_world import PlanningClaude
from workers.assembly import Ports, activities_of, interceptors_of, make_worker
from workers.embedded.temporal_server import NAMESPACE
from workers.resources.chains import TemporalChains
from workers.resources.clock import SystemClock
from workers.resources.families import TemporalFamilies
from workers.resources.store import Store
from workers.settings import Settings
from workflows.catalog import Catalog

DEPLOYMENT = Deployment(id="faults", namespace=NAMESPACE, mode=Mode.DEVELOPMENT)
STARTING = "starting"
"""Before the first state: the run registers itself."""
_STATE = "faults-state"
"""The header in which every activity is told the state that asks for it."""


class When(StrEnum):
    """At which moment in a state a worker dies."""

    ENTERING = "entering"
    """What the state is about to do first, Temporal does not know yet."""
    BEFORE = "before"
    """An activity of the state is about to begin."""
    AFTER = "after"
    """An activity has done what it does, and Temporal does not know yet."""
    WAITING = "waiting"
    """People are asked, and nothing moves: whoever kills it then is somebody else."""


class Death(Model):
    """Where a worker ends itself."""

    state: str
    when: When
    nth: int = 1
    """At which activity of the state."""

    def __str__(self) -> str:
        nth = f" activity {self.nth}" if self.when in (When.BEFORE, When.AFTER) else ""
        return f"{self.when.value}{nth} in {self.state}"


class DyingOrder(Model):
    """What a worker is told."""

    folder: Path
    address: str
    task_queue: str
    store_url: str
    journey: str
    """Its name."""
    death: Death | None = None
    """None: it lives."""
    ledger: Literal["on", "off"] = "on"


class Fate:
    """How far this process has come towards its end; a line for each activity, so that others know what there is."""

    def __init__(self, death: Death | None, log: Path) -> None:
        self._death = death
        self._begun = 0
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def comes(self, state: str, when: When) -> None:
        """The run is at this moment of a state; if that is the one, nothing comes after it."""
        death = self._death
        if when is When.BEFORE:
            os.write(self._log, f"{state}\n".encode())
            self._begun += death is not None and state == death.state
        if death is None or (state, when) != (death.state, death.when):
            return
        if when is When.ENTERING or self._begun == death.nth:
            self._die()

    @staticmethod
    def _die() -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives this")


class Fatal(Interceptor):
    """Tells every activity in which state it is asked for, and lets the process die where its fate says so."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """See temporalio.worker.Interceptor."""
        return _FatalActivity(next, self._fate)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See temporalio.worker.Interceptor."""
        fate = self._fate

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_FatalWorkflow(outbound, fate))

        return Inbound


class _FatalWorkflow(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, fate: Fate) -> None:
        super().__init__(following)
        self._fate = fate

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        input.headers = {**input.headers, _STATE: self._state()}
        return self.next.start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        input.headers = {**input.headers, _STATE: self._state()}
        return self.next.start_local_activity(input)

    def _state(self) -> Payload:
        state = state_of(workflow.instance())
        if not workflow.unsafe.is_replaying():
            self._fate.comes(state, When.ENTERING)
        return Payload(data=state.encode())


def state_of(automation: Any) -> str:
    """The state of a run, named after it where it is inside another one; where it undoes is a place of its own."""
    case: Case = automation.case
    place = _place(automation, case)
    return f"{automation.name}: {place}" if case.start.inside else place


def _place(automation: Any, case: Case) -> str:
    if not case.state:
        return STARTING
    over = automation.machine.is_final(automation.machine.named(case.state))
    undoing = (case.undoing_to or case.cancelling) and not over
    return f"{case.state}, undoing" if undoing else case.state


class _FatalActivity(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, fate: Fate) -> None:
        super().__init__(following)
        self._fate = fate

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        told = input.headers.get(_STATE)
        if told is None:  # asked for by a query or an update of somebody outside
            return await self.next.execute_activity(input)
        state = told.data.decode()
        self._fate.comes(state, When.BEFORE)
        result = await self.next.execute_activity(input)
        self._fate.comes(state, When.AFTER)
        return result


class ClaudeByTurn:
    """Answers by the turn that is asked for: whoever comes after a dead worker goes on in the middle of the script."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """See Claude."""
        own = question.conversation_id.startswith(f"{self._journey.automation}/")
        script = self._journey.claude if own else self._journey.inside
        turn = sum(message["role"] == "assistant" for message in question.messages)
        return await ScriptedClaude([script[min(turn, len(script) - 1)]]).ask(question)


def journey_called(name: str) -> Journey:
    """One of them."""
    return next(journey for journey in JOURNEYS if journey.name == name)


async def work_until_dead(order: DyingOrder, tell_ready: int) -> None:
    """Work until killed. One line to the descriptor `tell_ready` once tasks are taken."""
    journey, catalog = journey_called(order.journey), Catalog.load()
    client = await Client.connect(order.address, data_converter=DATA_CONVERTER)
    ports = await _ports(order, journey, client, catalog)
    ports = ports if order.ledger == "on" else without_ledger(ports)
    around = [*interceptors_of(ports), Fatal(Fate(order.death, order.folder / "activities"))]
    async with make_worker(client, catalog, activities_of(ports), task_queue=order.task_queue, interceptors=around):
        os.write(tell_ready, f"ready {os.getpid()}\n".encode())
        await asyncio.Event().wait()


async def _ports(order: DyingOrder, journey: Journey, client: Client, catalog: Catalog) -> Ports:
    settings, store = Settings(mode=Mode.DEVELOPMENT), await asyncio.to_thread(Store.open, order.store_url)
    authority = FixedAuthority(rules(*journey.rules), journey.roster)
    faults = {tool: [fault] * 1000 for tool, fault in journey.faults.items()}
    return Ports(
        claude=PlanningClaude() if journey.simulated else ClaudeByTurn(journey),
        toolbox=await DemoServers.at(order.folder / "books", faults=faults),
        **store_ports(store, authority, DEPLOYMENT),
        authority=authority,
        prompts=PromptFiles(settings.prompt_folders()),
        clock=SystemClock(),
        chains=TemporalChains(client),
        families=TemporalFamilies(client),
        deployment=DEPLOYMENT,
        default_model="scripted",
        owner_roles=catalog.owner_roles(),
        may_start=catalog.may_start(),
    )
