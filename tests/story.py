"""Tell a story of a run in a few lines: what Claude says, what tools answer, what people decide, how it ends.

    async with a_story(temporal, ScriptedClaude([says("...")]), RecordingToolbox({...})) as story:
        run = await story.start("refund", order_id="A-17")
        await run.decides(Verdict.APPROVE, by="dana")
        assert (await run.ending()).state == "refunded"

Runs execute on the real Temporal server with production worker settings and the real store; doubles stand only at the
ports to Claude, to the tools and to the clock, which follows the run's own.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from temporalio import activity
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.claude_port import Claude
from activities.context_files import ContextFiles
from activities.freezes import Freezes
from activities.prompt_files import PromptFiles
from activities.toolbox import Toolbox
from contracts.canonical import digest
from contracts.decisions import ApprovalRequest, Decision, Receipt, Verdict
from contracts.deployment import Deployment, Mode
from contracts.roster import Roster
from contracts.runs import WORKFLOW_TASK_TIMEOUT, Ending, RunView, StartStatement
from policies.engine import CedarRules, PolicyEngine
from tests.authority import NOBODY, FixedAuthority, Signer, store_ports
from tests.stores import new_store
from workers.assembly import Ports, activities_of, interceptors_of, make_worker, sandbox
from workers.resources.chains import TemporalChains
from workers.resources.families import TemporalFamilies
from workers.resources.store import Store
from workers.settings import Settings
from workflows.catalog import Catalog

PATIENCE = timedelta(seconds=float(os.environ.get("INTERLOCK_STORY_PATIENCE", "60")))
"""How long a story waits for what should come at once: long enough for a machine that has other work."""
_TASK_FAILS = "its workflow task fails"
_CANNOT_ANSWER = (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
DEPLOYMENT = Deployment(id="stories", namespace="default", mode=Mode.DEVELOPMENT)


class StoryStuck(AssertionError):
    """What a story waited for did not come; the message says where the run stands."""


@dataclass
class StoryRun:
    """A run that a story is about."""

    handle: WorkflowHandle[Any, Any]
    story: "Story"

    async def view(self) -> RunView:
        """Where it stands; asked again while it is just continuing as new. Raises StoryStuck as `ending` does."""
        deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
        while True:
            try:
                view: RunView = await self.handle.query("view", result_type=RunView, rpc_timeout=timedelta(seconds=10))
            except RPCError as error:
                if error.status not in _CANNOT_ANSWER:
                    raise
                passing = error.status is RPCStatusCode.FAILED_PRECONDITION
                if not passing or asyncio.get_running_loop().time() > deadline:
                    raise StoryStuck(await self._why_stuck()) from error
                await asyncio.sleep(0.04)
            else:
                return view

    async def until(self, reached: Callable[[RunView], Any]) -> RunView:
        """Its view, once `reached` is true of it. Raises StoryStuck after a bounded wait."""
        deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
        while True:
            view = await self.view()
            if reached(view):
                return view
            if asyncio.get_running_loop().time() > deadline:
                raise StoryStuck(f"still {view.state!r} ({view.reason}) via {[visit.state for visit in view.path]}")
            await asyncio.sleep(0.04)

    async def asked(self, number: int = 1) -> ApprovalRequest:
        """The request `number`, once it is open."""
        request_id = f"{self.handle.id}#{number}"
        view = await self.until(lambda seen: any(request.id == request_id for request in seen.waiting_for))
        return next(request for request in view.waiting_for if request.id == request_id)

    async def decision(self, verdict: Verdict, *, by: str = "dana", number: int = 1, **changes: Any) -> Decision:
        """A decision on request `number`, as `interlock approvals sign --print` makes it."""
        request = await self.asked(number)
        view = await self.view()
        now = await self.now()
        decision = Decision(
            deployment=DEPLOYMENT.id,
            namespace=DEPLOYMENT.namespace,
            workflow_id=self.handle.id,
            first_run_id=view.first_run_id,
            approval_id=request.id,
            action_digest=request.action_digest,
            verdict=verdict,
            approver=by,
            issued_at=now,
            expires_at=request.deadline or now + timedelta(days=30),
            display_digest=request.display_digest,
        )
        return decision.model_copy(update=changes)

    async def decides(self, verdict: Verdict, *, by: str = "dana", number: int = 1, **changes: Any) -> Receipt:
        """Send a decision as an update; its receipt."""
        return await self.sends(await self.decision(verdict, by=by, number=number, **changes))

    async def sends(self, decision: Decision) -> Receipt:
        """Send any decision as an update."""
        try:
            receipt: Receipt = await self.handle.execute_update(
                "decide", decision, result_type=Receipt, rpc_timeout=PATIENCE
            )
        except WorkflowUpdateFailedError as error:
            error.add_note(str(error.cause))
            raise
        return receipt

    async def refused(self, decision: Decision) -> str:
        """Send a decision that must be refused; the reason."""
        try:
            receipt = await self.sends(decision)
        except WorkflowUpdateFailedError as error:
            assert isinstance(error.cause, ApplicationError), repr(error.cause)
            return error.cause.message
        raise AssertionError(f"it was taken: {receipt}")

    async def child(self, number: int = 1) -> "StoryRun":
        """Its child run `number`, once that has begun: a parent names its child before it starts it."""
        view = await self.until(lambda seen: len(seen.child_runs) >= number)
        handle = self.story.client.get_workflow_handle(view.child_runs[number - 1].workflow_id, result_type=Ending)
        child = StoryRun(handle, self.story)
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not await child._is_known():
                await asyncio.sleep(0.04)
        await child.until(lambda seen: seen.state)
        return child

    async def _is_known(self) -> bool:
        try:
            await self.handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def ending(self) -> Ending:
        """Its ending. Raises StoryStuck after a bounded wait, with the failing workflow task."""
        try:
            return await asyncio.wait_for(self.handle.result(), PATIENCE.total_seconds())
        except TimeoutError:
            raise StoryStuck(await self._why_stuck()) from None

    async def states(self) -> list[str]:
        """The states it went through."""
        return [visit.state for visit in (await self.view()).path]

    async def cancel(self, reason: str = "no longer wanted") -> None:
        """Ask Temporal to cancel it."""
        await self.handle.cancel(reason=reason)

    async def signals(self, *payloads: Any) -> None:
        """Send the signal `decide`, with whatever payloads."""
        await self.handle.signal("decide", args=payloads)

    async def in_state(self, state: str) -> RunView:
        """Its view, once it is in `state`."""
        return await self.until(lambda view: view.state == state)

    async def details(self) -> str:
        """What the Web UI shows of it, as Markdown."""
        metadata: WorkflowMetadata = await self.handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        return metadata.current_details

    async def search_attributes(self) -> dict[str, str]:
        """Under which words the lists find it."""
        described = await self.handle.describe()
        return {pair.key.name: str(pair.value) for pair in described.typed_search_attributes.search_attributes}

    async def now(self) -> datetime:
        """The run's own time."""
        return await self.story.environment.get_current_time(self.handle)

    async def failing(self) -> str:
        """Why its workflow task fails, once it does. Raises StoryStuck after a bounded wait."""
        deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
        while asyncio.get_running_loop().time() < deadline:
            why = await self._why_stuck()
            if why.startswith(_TASK_FAILS):
                return why
            await asyncio.sleep(0.05)
        raise StoryStuck("no workflow task of it fails")

    async def _why_stuck(self) -> str:
        history = await self.handle.fetch_history()
        failed = [event for event in history.events if event.HasField("workflow_task_failed_event_attributes")]
        if failed:
            return f"{_TASK_FAILS}: {failed[-1].workflow_task_failed_event_attributes.failure.message}"
        described = await self.handle.describe()
        pending = [
            f"{waiting.activity_type.name} attempt {waiting.attempt}: {waiting.last_failure.message}"
            for waiting in described.raw_description.pending_activities
        ]
        return f"no ending after {PATIENCE}; pending: {pending}"


WITNESSES: list[Callable[[StoryRun], Awaitable[None]]] = []
"""Called with every run of a story that went well: they note what the stories prove, or keep its history."""


@dataclass
class Story:
    """A worker with doubles, and the runs it is told about."""

    environment: WorkflowEnvironment
    catalog: Catalog
    ports: Ports
    store: Store
    task_queue: str
    authority: FixedAuthority
    """What is in force; a story may change it."""
    store_url: str
    """Where workers in other processes find the store."""
    on_sight: Callable[[Decision], str] | None = None
    """The worker's own check of signatures."""
    runs: list[StoryRun] = field(default_factory=list)

    @property
    def client(self) -> Client:
        """The client of the story's server."""
        return self.environment.client

    async def start(
        self,
        automation: str,
        *,
        requester: str = "rita",
        skipping: bool = False,
        run_id: str = "",
        task_queue: str = "",
        signer: Signer | None = None,
        on_behalf_of: tuple[str, ...] = (),
        **request: Any,
    ) -> StoryRun:
        """Start a run, for `signer` if there is one. Its clock stands still unless `skipping`: see fast_forward."""
        entry = self.catalog.find(automation)
        given = entry.request.model_validate(request)
        now = datetime.now().astimezone()
        key = entry.business_key(given)
        workflow_id = run_id or f"{automation}/{key}-{uuid.uuid4().hex[:6]}"
        start = StartStatement(
            requester=signer.subject if signer and not signer.service else requester,
            on_behalf_of=on_behalf_of,
            automation=automation,
            business_key=key,
            input_digest=digest(given.model_dump(mode="json")),
            issued_at=now,
            deployment=self.ports.deployment.id,
            workflow_id=workflow_id,
        )
        start = signer.starts(start) if signer else start
        with nullcontext() if skipping else self.environment.with_time_skipping_disabled():
            handle = await self.client.start_workflow(
                automation,
                entry.first_case(given, start),
                id=workflow_id,
                task_queue=task_queue or self.task_queue,
                task_timeout=WORKFLOW_TASK_TIMEOUT,
                result_type=Ending,
            )
        run = StoryRun(handle, self)
        if not task_queue:  # the others may have no worker left to answer the witnesses
            self.runs.append(run)
        return run

    async def accept_pins(self, toolbox: Toolbox) -> None:
        """Accept every tool as it is published, as an operator does in production."""
        for server in toolbox.servers():
            for tool in await toolbox.definitions(server):
                self.authority.accept(tool)

    def worker(
        self,
        task_queue: str,
        cached_runs: int = 1000,
        without: str = "",
        on_sight: Callable[[Decision], str] | None = None,
    ) -> Worker:
        """A worker with the story's ports, as production makes it, but in the sandbox.

        `without` names an activity it does not know.
        """
        activities = [known for known in activities_of(self.ports) if known.__name__ != without]
        around = interceptors_of(self.ports, on_sight or self.on_sight)
        return make_worker(
            self.client,
            self.catalog,
            activities,
            task_queue=task_queue,
            cached_runs=cached_runs,
            interceptors=around,
            runner=sandbox(self.catalog),
        )

    async def fast_forward(self, run: StoryRun, by: timedelta) -> None:
        """Move the run's clock."""
        await self.environment.fast_forward(run.handle, by)


@dataclass
class RunsClock:
    """The clock of the run an activity serves."""

    environment: WorkflowEnvironment

    async def now(self) -> datetime:
        """See activities.clock.Clock."""
        workflow_id = activity.info().workflow_id
        if workflow_id is None:
            return datetime.now().astimezone()
        return await self.environment.get_current_time(self.environment.client.get_workflow_handle(workflow_id))


@cache
def _rules(folders: tuple[Path, ...]) -> CedarRules:
    """The rules of these folders; no story changes a file."""
    return CedarRules.load(folders)


@asynccontextmanager
async def a_story(
    environment: WorkflowEnvironment,
    claude: Claude,
    toolbox: Toolbox,
    *,
    outside: Path | None = None,
    policy: PolicyEngine | None = None,
    deployment: Deployment = DEPLOYMENT,
    roster: Roster = NOBODY,
    on_sight: Callable[[Decision], str] | None = None,
    cached_runs: int = 1000,
    freezes: Freezes | None = None,
    contexts: ContextFiles | None = None,
) -> AsyncIterator[Story]:
    """A worker on a task queue of its own, with a store of its own."""
    settings = Settings(mode=Mode.DEVELOPMENT, automations=outside)
    catalog = Catalog.load(outside)
    task_queue = f"story-{uuid.uuid4().hex[:8]}"
    with TemporaryDirectory() as folder:
        url = new_store(folder)
        store = await asyncio.to_thread(Store.open, url)
        try:
            authority = FixedAuthority(
                policy or _rules(settings.policy_folders()),
                roster,
                accepts_at_first_contact=deployment.mode is Mode.DEVELOPMENT,
            )
            from_store = store_ports(store, authority, deployment)
            ports = Ports(
                claude=claude,
                toolbox=toolbox,
                **(from_store | ({"freezes": freezes} if freezes else {})),
                authority=authority,
                prompts=PromptFiles(settings.prompt_folders()),
                contexts=contexts or ContextFiles(settings.prompt_folders()),
                clock=RunsClock(environment),
                chains=TemporalChains(environment.client),
                families=TemporalFamilies(environment.client),
                deployment=deployment,
                default_model="scripted",
                owner_roles=catalog.owner_roles(),
                may_start=catalog.may_start(),
            )
            story = Story(environment, catalog, ports, store, task_queue, authority, url, on_sight)
            async with story.worker(task_queue, cached_runs):
                yield story
                for run in story.runs:
                    for witness in WITNESSES:
                        await witness(run)
        finally:
            await asyncio.to_thread(store.close)
