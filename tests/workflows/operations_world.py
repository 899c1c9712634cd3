"""The world of changes to production: the demo's own servers on books of their own, and Claude as it is simulated."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from contracts.decisions import ApprovalRequest, Decision, Verdict
from contracts.roster import Roster
from demo.claude_simulator.fields import Fields
from demo.claude_simulator.parsing import parse_request
from demo.claude_simulator.scripts import find_script
from demo.mcp_servers.archive import server as archive
from demo.mcp_servers.archive.stacks import Stacks
from policies.engine import PolicyEngine
from tests.authority import NOBODY
from tests.demo_servers import NO_FAULTS, DemoServers, Faults, a_folder, read_rows
from tests.doubles import answer_of
from tests.story import PATIENCE, Story, StoryRun, a_story
from workers.resources.claude_request import body_of
from workflows.operations_change.workflow import SETTLES

OPERATIONS = ("changes", "releases", "vault", "archive")
"""The servers that a change needs."""
DEPLOYMENT: dict[str, Any] = {
    "change_id": "CHG-2041",
    "kind": "deployment",
    "subject": "checkout-api",
    "version": "2.15.0",
    "reason": "the new basket rules",
}
ROTATION: dict[str, Any] = {
    "change_id": "CHG-2042",
    "kind": "credential_rotation",
    "subject": "payments-gateway-key",
    "reason": "every quarter",
}
DELETION: dict[str, Any] = {
    "change_id": "CHG-2043",
    "kind": "data_deletion",
    "subject": "newsletter-2019",
    "reason": "nobody has consented to keep these addresses",
}
COOLED_OFF = timedelta(hours=72, minutes=1)
Spoiling = Callable[[dict[str, Any]], object]
"""What is done to a plan of Claude's before it is answered."""


@dataclass
class PlanningClaude:
    """Claude as the simulator plays it. `spoilt`: what becomes of its plans, one after the other; None is nothing."""

    spoilt: list[Spoiling | None] = field(default_factory=list)
    questions: list[ClaudeQuestion] = field(default_factory=list)
    plans: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """The script's answer: reads that are asked for, or a plan."""
        self.questions.append(question)
        request = parse_request(Fields({**body_of(question), "model": "claude-played"}))
        answer = find_script(question.system)[1](request)
        if answer.calls:
            blocks: list[JsonValue] = [
                {
                    "type": "tool_use",
                    "id": f"toolu_{len(self.questions)}_{index}",
                    "name": call.tool,
                    "input": call.arguments,
                }
                for index, call in enumerate(answer.calls)
            ]
            return answer_of(blocks, "tool_use")
        plan = json.loads(answer.text)
        if self.spoilt and (spoil := self.spoilt.pop(0)) is not None:
            spoil(plan)
        self.plans.append(plan)
        return answer_of([{"type": "text", "text": json.dumps(plan)}], "end_turn")


@dataclass
class MovableNow:
    """The archive's clock: the real time, plus what a story has moved it by."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Change:
    """A change under way, and the world around it."""

    run: StoryRun
    story: Story
    estate: DemoServers
    claude: PlanningClaude
    now: MovableNow

    async def signed(self, number: int = 1, *people: str) -> None:
        """Two people approve the request of that number."""
        for person in people or ("carla", "sven"):
            await self.run.decides(Verdict.APPROVE, by=person, number=number)

    async def has_had_its_time(self) -> None:
        """The run's clock goes on until the run has ended, for so long as anybody is patient."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not (await self.run.view()).final:
                await self.story.fast_forward(self.run, SETTLES)

    async def cooled_off(self) -> None:
        """Nobody stops it, and its time has come: by the run's clock and by the archive's."""
        await self.run.in_state("cooling_off")
        await self.run.asked(2)
        self.now.ahead += COOLED_OFF
        await self.story.fast_forward(self.run, COOLED_OFF)

    async def confirmed(self, number: int = 3) -> None:
        """Somebody takes the last look, and confirms."""
        await self.run.decides(Verdict.APPROVE, by="nora", number=number)

    async def shown(self, number: int) -> dict[str, str]:
        """What people are shown of an open request, line by line."""
        return await self.shown_of(await self.run.asked(number))

    async def shown_of(self, request: ApprovalRequest) -> dict[str, str]:
        """The same of one that may be closed by now."""
        content = await self.story.store.contents.get(request.display_digest)
        assert content is not None
        return {line["label"]: line["text"] for line in json.loads(content)["request"]["context"]}

    async def decision(self, by: str, number: int = 1) -> Decision:
        """An approval of that request."""
        return await self.run.decision(Verdict.APPROVE, by=by, number=number)

    # What stands in the servers' own books, straight from the files.

    def runs(self) -> tuple[str, str | None]:
        """The version of checkout-api, and the one that an instance is trying."""
        query = "SELECT version, canary FROM services WHERE service = 'checkout-api'"
        found: tuple[str, str | None] = self._row("releases", query)
        return found

    def key(self) -> tuple[int, int | None, str]:
        """The current and the pending version of the gateway's key, and which its consumers use."""
        query = """SELECT current_version, pending_version, (SELECT group_concat(DISTINCT uses) FROM consumers
                   WHERE consumers.credential = credentials.credential) FROM credentials
                   WHERE credential = 'payments-gateway-key'"""
        found: tuple[int, int | None, str] = self._row("vault", query)
        return found

    def dataset(self) -> tuple[str, int]:
        """How the newsletter's dataset stands, and how many rows it has."""
        query = "SELECT status, row_count FROM datasets WHERE dataset = 'newsletter-2019'"
        found: tuple[str, int] = self._row("archive", query)
        return found

    def registered(self) -> str:
        """How the only change stands in the register; empty when there is none."""
        found = read_rows(self.estate.data, "changes", "SELECT status FROM changes")
        assert len(found) <= 1, "more than one change was opened"
        return str(found[0][0]) if found else ""

    def _row(self, server: str, query: str) -> Any:
        return read_rows(self.estate.data, server, query)[0]


@asynccontextmanager
async def a_change(
    environment: WorkflowEnvironment,
    asked: dict[str, Any] = DEPLOYMENT,
    *,
    faults: Faults = NO_FAULTS,
    spoilt: tuple[Spoiling | None, ...] = (),
    policy: PolicyEngine | None = None,
    roster: Roster = NOBODY,
    held: str = "",
    away: str = "",
    requester: str = "rita",
) -> AsyncIterator[Change]:
    """A story of one change; calls of the tool `held` are held, and the server `away` is away, from the beginning."""
    now, claude = MovableNow(), PlanningClaude([*spoilt])
    with a_folder(OPERATIONS) as data:
        estate = await DemoServers.at(
            data, OPERATIONS, faults, archive=lambda data: archive.build_server(Stacks(data, now))
        )
        if held:
            estate.holding(held)
        if away:
            estate.unreachable.add(away)
        async with a_story(environment, claude, estate, policy=policy, roster=roster) as story:
            run = await story.start("operations_change", requester=requester, **asked)
            yield Change(run, story, estate, claude, now)
