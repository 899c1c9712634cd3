"""Impostors: workflows of somebody who may write to the namespace, and who schedules the product's activities himself.

They run under a type of their own or under the name of a real automation, with start statements that are forged,
stolen or genuine, and claim whatever they like. Every credit they try needs a signature.
"""

import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from contracts.canonical import digest
from contracts.decisions import Decision
from contracts.model import Model
from contracts.runs import StartStatement
from tests.authority import Signer
from tests.forge.through_server import PRODUCTION, asking_for_two
from tests.forge.world import Scene
from tests.story import Story
from tests.workflows.refund_world import Books

SIGNED_FROM_CENTS = 5_001


class Attempt(Model):
    """What an impostor does: activities by name, each with a raw input, one after the other."""

    steps: tuple[tuple[str, dict[str, JsonValue]], ...]


class Gotten(Model):
    """What came of each step: the status, or the error."""

    answers: tuple[str, ...]


async def _take(attempt: Attempt, queue: str) -> Gotten:
    answers: list[str] = []
    for name, given in attempt.steps:
        try:
            answer: dict[str, Any] = await workflow.execute_activity(
                name,
                given,
                task_queue=queue,
                start_to_close_timeout=timedelta(seconds=20),
                retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10)),
            )
        except ActivityError as error:
            answers.append(f"error: {error.cause}")
        else:
            answer = answer or {}
            answers.append(str(answer.get("status") or answer.get("refused") or answer.get("effect") or "ok"))
    return Gotten(answers=tuple(answers))


@workflow.defn(name="impostor", sandboxed=False)
class Impostor:
    """Under a name of its own."""

    @workflow.run
    async def run(self, attempt: Attempt) -> Gotten:
        """Take every step."""
        return await _take(attempt, workflow.info().task_queue.removesuffix("-impostors"))


@workflow.defn(name="refund", sandboxed=False)
class FalseRefund:
    """Under the name of the real automation."""

    @workflow.run
    async def run(self, attempt: Attempt) -> Gotten:
        """Take every step."""
        return await _take(attempt, workflow.info().task_queue.removesuffix("-impostors"))


@dataclass
class Stage:
    """What an impostor can see and use."""

    story: Story
    scene: Scene
    books: Books
    chance: random.Random
    workflow_id: str

    def credit(self, **changes: Any) -> dict[str, JsonValue]:
        """A credit that needs a signature, unless a smaller amount is said."""
        cents = self.chance.randrange(SIGNED_FROM_CENTS, 500_000)
        arguments = {"order_id": "A-17", "customer_id": "C-7", "cents": cents, "currency": "EUR"}
        call = {"server": "payments", "tool": "issue_credit", "arguments": arguments, "step": "payments.issue_credit"}
        return call | {"occurrence": str(self.chance.randrange(1, 9))} | changes

    def start(self, automation: str = "refund", **changes: Any) -> StartStatement:
        """A start statement that fits this workflow and an empty input."""
        statement = StartStatement(
            requester="rita",
            automation=automation,
            business_key=uuid.UUID(int=self.chance.getrandbits(128)).hex,
            input_digest=digest({}),
            issued_at=datetime.now(UTC),
            deployment=PRODUCTION.id,
            workflow_id=self.workflow_id,
        )
        return statement.model_copy(update=changes)

    @property
    def genuine(self) -> tuple[Decision, ...]:
        """What people have really signed, for the real run."""
        return tuple(self.scene.genuine.values())

    def evidence(self, *signers: Signer) -> list[JsonValue]:
        """Decisions on an action of the impostor's own choice."""
        template = self.scene.template.model_copy(
            update={"workflow_id": self.workflow_id, "approval_id": f"{self.workflow_id}#1"}
        )
        return [signer.signed(template).model_dump(mode="json") for signer in signers]


Steps = tuple[tuple[str, dict[str, JsonValue]], ...]
Play = Callable[[Stage], Steps]


def _register(start: StartStatement, **more: Any) -> tuple[str, dict[str, JsonValue]]:
    return "register_run", {"start": start.model_dump(mode="json", exclude_none=True) | more, "request": {}}


def _called(call: dict[str, JsonValue]) -> tuple[str, dict[str, JsonValue]]:
    return "call_tool", call


def _with_start(start: Callable[[Stage], StartStatement]) -> Play:
    return lambda stage: (_register(start(stage)), _called(stage.credit()))


def _insider(call: Callable[[Stage], dict[str, JsonValue]]) -> Play:
    """Rita herself, who may ask for refunds, runs code of her own under the automation's name."""
    return lambda stage: (_register(stage.scene.people.rita.starts(stage.start())), _called(call(stage)))


def _evidence_of(stage: Stage) -> list[JsonValue]:
    return [decision.model_dump(mode="json", exclude_none=True) for decision in stage.genuine]


PLAYS: dict[str, Play] = {
    "no start record": lambda s: (_called(s.credit()),),
    "no start record, real evidence": lambda s: (_called(s.credit(evidence=_evidence_of(s))),),
    "an unsigned start": _with_start(lambda s: s.start()),
    "a start signed by a stranger": _with_start(lambda s: s.scene.people.mallory.starts(s.start())),
    "a start in another's name": _with_start(lambda s: s.scene.people.lena.starts(s.start(requester="dana"))),
    "another's key under a stolen name": _with_start(
        lambda s: s.scene.people.mallory.starts(s.start(), signer="rita", key_id=s.scene.people.rita.key_id)
    ),
    "a start for another deployment": _with_start(
        lambda s: s.scene.people.rita.starts(s.start(deployment="elsewhere"))
    ),
    "a start for another run": _with_start(lambda s: s.scene.people.rita.starts(s.start(workflow_id=s.scene.run_id))),
    "a start for another automation": _with_start(lambda s: s.scene.people.rita.starts(s.start("errand"))),
    "a start for another input": _with_start(
        lambda s: s.scene.people.rita.starts(s.start(input_digest=digest({"order_id": "A-1"})))
    ),
    "a start that was changed": _with_start(
        lambda s: s.scene.people.rita.starts(s.start()).model_copy(update={"requester": "dana"})
    ),
    "a start that is too old": _with_start(
        lambda s: s.scene.people.rita.starts(s.start(issued_at=datetime.now(UTC) - timedelta(days=2)))
    ),
    "a start from the future": _with_start(
        lambda s: s.scene.people.rita.starts(s.start(issued_at=datetime.now(UTC) + timedelta(hours=1)))
    ),
    "a start with a revoked key": _with_start(lambda s: s.scene.people.kims[0].starts(s.start(requester="kim"))),
    "on behalf of somebody, by no service": _with_start(
        lambda s: s.scene.people.rita.starts(s.start(on_behalf_of=("dana",)))
    ),
    "a forged role beside the call": lambda s: (
        _register(s.scene.people.rita.starts(s.start())),
        _called(s.credit(roles=["finance_manager"], approvals={"finance_manager": 2})),
    ),
    "a forged taint and first run beside the call": lambda s: (
        _register(s.scene.people.rita.starts(s.start())),
        _called(s.credit(taint=[], first_run_id="of the real run", totals={})),
    ),
    "an insider's large credit": _insider(lambda s: s.credit()),
    "an insider with evidence of the real run": _insider(lambda s: s.credit(evidence=_evidence_of(s))),
    "an insider who signs himself": _insider(lambda s: s.credit(evidence=s.evidence(s.scene.people.rita))),
    "an insider with signatures on another action": _insider(
        lambda s: s.credit(evidence=s.evidence(s.scene.people.dana, s.scene.people.erik))
    ),
    "an insider who says it is an undo": _insider(lambda s: s.credit(purpose="compensation")),
    "an insider who undoes what he never did": _insider(
        lambda s: s.credit(tool="reverse_credit", purpose="compensation", arguments={"order_id": "A-17"})
    ),
    "an insider who takes arguments from another's conversation": _insider(
        lambda s: s.credit(arguments=None, chosen={"conversation": "assessing", "turn": 0, "block": 0})
    ),
    "an unknown server": _insider(lambda s: s.credit(server="bank")),
    "a tool nobody accepted": _insider(lambda s: s.credit(tool="close_account")),
    "a tool that looks alike": _insider(lambda s: s.credit(tool="issue_cr\u0435dit")),
    "another automation's name for the state": _insider(
        lambda s: s.credit(state="verifying", step="orders.find_order")
    ),
    "a request in another run's name": lambda s: (
        _register(s.scene.people.rita.starts(s.start())),
        ("open_request", _request(s, f"{s.scene.run_id}#1")),
        ("close_request", {"request_id": f"{s.scene.run_id}#1", "outcome": "approved", "by": "dana"}),
        _called(s.credit(evidence=_evidence_of(s))),
    ),
    "a request of its own, signed by itself": lambda s: (
        _register(s.scene.people.rita.starts(s.start())),
        ("open_request", _request(s, f"{s.workflow_id}#1")),
        ("check_decisions", {"arrived": s.evidence(s.scene.people.rita)}),
        _called(s.credit(evidence=s.evidence(s.scene.people.rita))),
    ),
}
UNDER_ITS_OWN_NAME: dict[str, Play] = {
    "an insider's start for the impostor's own type": lambda s: (
        _register(s.scene.people.rita.starts(s.start("impostor"))),
        _called(s.credit()),
    ),
    "a real automation's start under another type": _with_start(lambda s: s.scene.people.rita.starts(s.start())),
}
HARMLESS = ("refused", "forbidden", "needs_approval", "done")
"""`done` only where there was nothing to undo: the books tell."""


def _request(stage: Stage, request_id: str) -> dict[str, JsonValue]:
    one: dict[str, JsonValue] = {"role": "finance_manager", "quorum": 1, "within": "PT1H", "rule_id": "mine"}
    return {
        "request_id": request_id,
        "kind": "approval",
        "automation": "errand",
        "state": "awaiting_approval",
        "title": "Nothing to see here",
        "action_digest": stage.scene.template.action_digest,
        "obligations": [one],
        "options": ["approve", "reject", "return"],
        "asked_at": "2026-11-20T09:00:00.000Z",
        "context": [],
    }


@dataclass
class Unmasked:
    """What became of the impostors."""

    seed: int
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Play, and what its last call came to."""
    effects: int = 0
    """Credits in the books while only impostors had called."""
    stolen: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many there were."""
        return sum(self.outcomes.values())


async def unmask(temporal: WorkflowEnvironment, count: int, seed: int) -> Unmasked:
    """`count` impostors, every play in turn, against a production worker with a real run waiting beside them."""
    found = Unmasked(seed)
    plays = [*((name, play, "refund") for name, play in PLAYS.items())]
    plays += [(name, play, "impostor") for name, play in UNDER_ITS_OWN_NAME.items()]
    async with asking_for_two(temporal) as (story, run, scene, books):
        queue = f"{story.task_queue}-impostors"
        runner = UnsandboxedWorkflowRunner()
        async with Worker(story.client, task_queue=queue, workflows=[Impostor, FalseRefund], workflow_runner=runner):
            for number in range(count):
                name, play, type_name = plays[number % len(plays)]
                workflow_id = f"refund/I-{seed}-{number}"
                stage = Stage(story, scene, books, random.Random(f"{seed}/impostor/{number}"), workflow_id)
                answer = await _play(stage, play(stage), type_name, queue)
                found.outcomes[name, answer] += 1
                if not answer.startswith("error") and answer.split(":")[0] not in HARMLESS:
                    found.stolen.append(f"{name}: {answer}")
        found.effects = len(books.credits)
        request = (await run.view()).waiting_for[0]
        if request.approvals or request.id != f"{scene.run_id}#1":
            found.stolen.append(f"the real run's request was touched: {request}")
        await run.sends(scene.genuine["dana"])
        await run.sends(scene.genuine["erik"])
        assert (await run.ending()).state == "refunded", "the forge can see a credit that is due"
    return found


async def _play(stage: Stage, steps: Steps, type_name: str, queue: str) -> str:
    try:
        gotten: dict[str, Any] = await stage.story.client.execute_workflow(
            type_name, Attempt(steps=steps), id=stage.workflow_id, task_queue=queue
        )
    except WorkflowFailureError as failure:
        return f"error: {failure.cause}"
    return str(gotten["answers"][-1])[:80]
