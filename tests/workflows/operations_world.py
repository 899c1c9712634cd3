"""The world of changes to production: the demo's own servers on books of their own, and Claude as it is simulated."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mcp.server import MCPServer
from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from contracts.decisions import ApprovalRequest, Decision, Verdict
from contracts.roster import Roster
from contracts.servers import ServerRules
from contracts.tools import Delivered, ToolDefinition
from demo.claude_simulator.fields import Fields
from demo.claude_simulator.parsing import parse_request
from demo.claude_simulator.scripts import find_script
from demo.mcp_servers.archive import server as archive
from demo.mcp_servers.archive.stacks import Stacks
from demo.mcp_servers.changes import server as changes
from demo.mcp_servers.changes.register import ChangeRegister
from demo.mcp_servers.releases import server as releases
from demo.mcp_servers.releases.fleet import Fleet
from demo.mcp_servers.vault import server as vault
from demo.mcp_servers.vault.strongroom import Strongroom
from policies.engine import PolicyEngine
from tests.authority import NOBODY
from tests.doubles import GENEROUS, RecordingToolbox, answer_of
from tests.story import PATIENCE, Story, StoryRun, a_story
from tests.workflows.hotel_world import NO_FAULTS, Fault, Faults, answered_by, declared, in_turn_of, published_by
from workers.resources.claude_request import body_of
from workflows.operations_change.workflow import SETTLES

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
class Estate(RecordingToolbox):
    """The demo's servers of operations as a toolbox, each call of which may go wrong once."""

    data: Path = Path()
    now: MovableNow = field(default_factory=MovableNow)
    faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    _servers: dict[str, MCPServer] = field(default_factory=dict)

    @classmethod
    async def at(cls, data: Path, faults: Faults = NO_FAULTS) -> "Estate":
        """The estate whose books lie in this folder."""
        now, known = MovableNow(), await _definitions()
        return cls(
            answers=dict.fromkeys(known),
            classes={name: tool.effect_class for name, tool in known.items()},
            data=data,
            now=now,
            faults={name: in_turn_of(fault) for name, fault in faults.items()},
            _servers=_built(data, now),
        )

    def rules(self, server: str) -> ServerRules:
        """What the servers file says of plans, and generous limits."""
        return GENEROUS.model_copy(update={"plans": declared()[server].as_rules().plans})

    def _definition(self, server: str, name: str) -> ToolDefinition:
        return _PUBLISHED[name]

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Record the call; then the server answers, unless a fault is due."""
        name = f"{tool.server}.{tool.name}"
        self.called.append(name)
        self.arguments.append(arguments)
        self.keys.append(key)
        await self._held(name)
        due = self.faults.get(name, [])
        fault = due.pop(0) if due else None

        async def ask() -> Delivered:
            return await answered_by(self._servers[tool.server], tool.name, arguments)

        return await fault(ask) if fault else await ask()

    # What stands in the servers' own books, straight from the files.

    def runs(self) -> tuple[str, str | None]:
        """The version of checkout-api, and the one that an instance is trying."""
        found: tuple[str, str | None] = self._row(
            "releases", "SELECT version, canary FROM services WHERE service = 'checkout-api'"
        )
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

    def change(self) -> str:
        """How the only change stands in the register; empty when there is none."""
        with closing(sqlite3.connect(self.data / "changes.db")) as connection:
            found = connection.execute("SELECT status FROM changes").fetchall()
        assert len(found) <= 1, "more than one change was opened"
        return str(found[0][0]) if found else ""

    def _row(self, server: str, query: str) -> Any:
        with closing(sqlite3.connect(self.data / f"{server}.db")) as connection:
            return connection.execute(query).fetchone()


@dataclass
class Change:
    """A change under way, and the world around it."""

    run: StoryRun
    story: Story
    estate: Estate
    claude: PlanningClaude

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
        self.estate.now.ahead += COOLED_OFF
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
    with a_folder() as data:
        estate, claude = await Estate.at(data, faults), PlanningClaude([*spoilt])
        if held:
            estate.holding(held)
        if away:
            estate.unreachable.add(away)
        async with a_story(environment, claude, estate, policy=policy, roster=roster) as story:
            run = await story.start("operations_change", requester=requester, **asked)
            yield Change(run, story, estate, claude)


@contextmanager
def a_folder() -> Iterator[Path]:
    """The books as they are at first start."""
    with TemporaryDirectory() as folder:
        for name, content in _first_books().items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


@cache
def _first_books() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        _built(Path(folder), MovableNow())
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _built(data: Path, now: MovableNow) -> dict[str, MCPServer]:
    return {
        "changes": changes.build_server(ChangeRegister(data)),
        "releases": releases.build_server(Fleet(data)),
        "vault": vault.build_server(Strongroom(data)),
        "archive": archive.build_server(Stacks(data, now)),
    }


_PUBLISHED: dict[str, ToolDefinition] = {}
"""`server.tool` -> its definition."""


async def _definitions() -> dict[str, ToolDefinition]:
    if not _PUBLISHED:
        with a_folder() as data:
            _PUBLISHED.update(await published_by(_built(data, MovableNow())))
    return _PUBLISHED
