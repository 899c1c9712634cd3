"""A workflow of somebody who may write to the namespace and nothing more: it schedules the product's own activities."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, JsonValue
from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.conversations import RunKey
from contracts.decisions import (
    APPROVAL_VERDICTS,
    Decision,
    OpenedRequest,
    RequestKind,
    RequestToOpen,
    Verdict,
)
from contracts.model import Model
from contracts.policy import Obligation, Ruling
from contracts.runs import Registered, RunToRegister, StartStatement
from contracts.tools import ToolCall
from tests.authority import Signer
from tests.forge.shop import PRODUCTION, Shop, new_order
from tests.forge.world import FINANCE, Scene

WITHIN = timedelta(seconds=20)


class Attempt(Model):
    """One activity, with any input whatever."""

    queue: str
    activity: str
    given: JsonValue


class Answer(Model):
    """What the activity answered, or why it failed."""

    value: JsonValue = None
    problem: str = ""


class Schedules:
    """Schedules whatever it is told to, until it is told to leave."""

    def __init__(self) -> None:
        self._over = False

    @workflow.update
    async def attempt(self, attempt: Attempt) -> Answer:
        """Schedule one activity, once."""
        try:
            value = await workflow.execute_activity(
                attempt.activity,
                attempt.given,
                task_queue=attempt.queue,
                start_to_close_timeout=WITHIN,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            return Answer(problem=_causes(error)[:2000])
        return Answer(value=value)

    @workflow.signal
    def leave(self) -> None:
        """Enough."""
        self._over = True

    async def serve(self) -> None:
        """Until it is told to leave."""
        await workflow.wait_condition(lambda: self._over)


def _causes(error: BaseException | None) -> str:
    """What failed, and why, as far down as it is told."""
    return f"{error}; {_causes(error.__cause__)}" if error is not None else ""


@workflow.defn(name="impostor", sandboxed=False)
class Impostor(Schedules):
    """Under a name of its own."""

    @workflow.run
    async def run(self) -> None:
        """See Schedules."""
        await self.serve()


@workflow.defn(name="refund", sandboxed=False)
class FalseRefund(Schedules):
    """Under the name of an automation."""

    @workflow.run
    async def run(self) -> None:
        """See Schedules."""
        await self.serve()


@workflow.defn(name="errand", sandboxed=False)
class FalseErrand(Schedules):
    """Under the name of the other one, which may write to people."""

    @workflow.run
    async def run(self) -> None:
        """See Schedules."""
        await self.serve()


@dataclass
class Intruder:
    """A false run, and what it does."""

    shop: Shop
    handle: WorkflowHandle[Any, Any]
    run: RunKey
    order: str
    signer: Signer
    """Whoever lets it in: a person of the roster."""

    @property
    def request(self) -> dict[str, JsonValue]:
        """The input it says it has."""
        return {"order_id": self.order, "limit_cents": 500_000}

    def statement(self) -> StartStatement:
        """An unsigned start statement in which everything is right."""
        plain = self.shop.statement(self.order, self.run.workflow_id, self.request)
        return plain.model_copy(update={"requester": self.signer.subject, "on_behalf_of": ()})

    def credit(self, cents: int, **changes: Any) -> ToolCall:
        """A credit for its order, as a refund words it."""
        told = {"order_id": self.order, "customer_id": f"c-{self.order}", "reference": self.run.workflow_id}
        given: dict[str, JsonValue] = {**told, "cents": cents}
        call = ToolCall(server="payments", tool="issue_credit", arguments=given, step="payments.issue_credit")
        return call.model_copy(update=changes)

    async def tries(self, activity: str, given: BaseModel | JsonValue) -> Answer:
        """Have an activity of the product executed."""
        plain = given.model_dump(mode="json") if isinstance(given, BaseModel) else given
        attempt = Attempt(queue=self.shop.story.task_queue, activity=activity, given=plain)
        answer: Answer = await self.handle.execute_update("attempt", attempt, result_type=Answer, rpc_timeout=WITHIN)
        return answer

    async def registers(self, start: StartStatement, request: dict[str, JsonValue] | None = None) -> str:
        """Take out a start record; why not, or nothing."""
        wanted = RunToRegister(start=start, request=self.request if request is None else request)
        answer = await self.tries("register_run", wanted)
        return answer.problem or Registered.model_validate(answer.value).refused

    async def calls(self, call: ToolCall | dict[str, JsonValue]) -> str:
        """Have the gate make a call; its status and reason in one line."""
        answer = await self.tries("call_tool", call)
        if answer.problem:
            return f"failed: {answer.problem}"
        outcome = answer.value if isinstance(answer.value, dict) else {}
        ruling = outcome.get("ruling")
        rules = ruling.get("rule_ids") if isinstance(ruling, dict) else None
        return f"{outcome.get('status')}: {outcome.get('message', '')} {json.dumps(rules) if rules else ''}".strip()

    def wanted(self, about: str, demanded: tuple[Obligation, ...], now: datetime) -> RequestToOpen:
        """A request for an approval of this action, under a harmless title."""
        return RequestToOpen(
            request_id=f"{self.run.workflow_id}#1",
            kind=RequestKind.APPROVAL,
            automation="refund",
            state="awaiting_approval",
            title="Credit 1.00 EUR?",
            action_digest=about,
            obligations=demanded,
            options=APPROVAL_VERDICTS,
            asked_at=now,
            context=(),
        )

    async def asks(self, call: ToolCall, **changes: Any) -> Scene:
        """Have a request for this call put into the inbox, and look at it as a forger does."""
        answer = await self.tries("rule_on", call)
        ruling = Ruling.model_validate(answer.value)
        now = await self.shop.story.environment.get_current_time(self.handle)
        plain = self.wanted(ruling.action_digest, ruling.obligations, now)
        opened = await self.tries("open_request", plain.model_copy(update=changes))
        seen = OpenedRequest.model_validate(opened.value)
        template = Decision(
            deployment=PRODUCTION.id,
            namespace=PRODUCTION.namespace,
            **self.run.model_dump(),
            approval_id=plain.request_id,
            action_digest=ruling.action_digest,
            verdict=Verdict.APPROVE,
            approver="dana",
            issued_at=now,
            expires_at=seen.deadline,
            display_digest=seen.display_digest,
        )
        people = self.shop.people
        genuine = {signer.subject: signer.signed(template) for signer in (people.dana, people.erik)}
        return Scene(people, self.shop.story.store, self.shop.story.authority, self.run.workflow_id, now, now, genuine)


def queue_of(shop: Shop) -> str:
    """Where only intruders' workflows are."""
    return f"{shop.story.task_queue}-intruders"


def intruders_worker(shop: Shop) -> Worker:
    """A worker of whoever may write to the namespace: it has workflows of its own, and not one activity."""
    return Worker(
        shop.story.client,
        task_queue=queue_of(shop),
        workflows=[Impostor, FalseRefund, FalseErrand],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


@asynccontextmanager
async def intruder(
    shop: Shop, name: str = "refund", workflow_id: str = "", signer: Signer | None = None
) -> AsyncIterator[Intruder]:
    """A false run of this name; it has no start record."""
    order = new_order("X")
    workflow_id = workflow_id or f"{name}/{order}"
    with shop.story.environment.with_time_skipping_disabled():
        handle = await shop.story.client.start_workflow(name, id=workflow_id, task_queue=queue_of(shop))
    first_run_id = handle.first_execution_run_id or ""
    run = RunKey(workflow_id=workflow_id, first_run_id=first_run_id)
    try:
        yield Intruder(shop, handle, run, order, signer or shop.people.rita)
    finally:
        await handle.signal("leave")
        await handle.result(rpc_timeout=WITHIN)


@asynccontextmanager
async def insider(shop: Shop, name: str = "refund") -> AsyncIterator[Intruder]:
    """A person of the roster, a finance manager even, whose genuine signature starts false code of their own."""
    ines = Signer(f"ines-{secrets.token_hex(4)}", FINANCE)
    authority, before = shop.story.authority, shop.story.authority.people
    authority.people = before.model_copy(update={"people": (*before.people, ines.person())})
    try:
        async with intruder(shop, name, signer=ines) as run:
            refused = await run.registers(ines.starts(run.statement(), automation=name))
            assert refused == "", refused
            yield run
    finally:
        authority.people = before
