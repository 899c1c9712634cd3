"""Stand-ins at the ports: small classes, named after what they do. Stories are written with them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from activities.toolbox import NotSent, UnknownServer
from contracts.claude import Usage
from contracts.policy import Ruling
from contracts.servers import BreakerRule, Limits, ServerRules
from contracts.tools import Delivered, EffectClass, KeyDelivery, Lookup, Share, ToolDefinition, Undoes
from policies.engine import PolicyEngine, PolicyQuestion

WAITS_SECONDS = 20
GENEROUS = ServerRules(breaker=BreakerRule(window=100, failures=0.99), limits=Limits(concurrency=1000))
"""Of a server that a test does not mean to hold back."""
Answer = JsonValue | Exception | Callable[[dict[str, JsonValue]], JsonValue]


def says(text: str) -> list[JsonValue]:
    """An answer in words."""
    return [{"type": "text", "text": text}]


def asks_for(*calls: tuple[str, dict[str, JsonValue]]) -> list[JsonValue]:
    """An answer that asks for tools: `("orders.find_order", {"order_id": "A-17"})`."""
    return [
        {"type": "tool_use", "id": f"toolu_{index}", "name": name.replace(".", "__"), "input": arguments}
        for index, (name, arguments) in enumerate(calls)
    ]


@dataclass
class ScriptedClaude:
    """Answers from a script, in order; the last answer repeats. Exceptions are raised, functions called first."""

    script: list[Any]
    questions: list[ClaudeQuestion] = field(default_factory=list)
    hold: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_asked(self) -> None:
        """Wait, boundedly, until the first question has come."""
        await asyncio.wait_for(self.reached.wait(), WAITS_SECONDS)

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """The next answer."""
        self.questions.append(question)
        self.reached.set()
        if self.hold is not None:
            await self.hold.wait()
        content = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(content):
            content = content()
        if isinstance(content, Exception):
            raise content
        if isinstance(content, ClaudeAnswer):
            return content
        calls = any(isinstance(block, dict) and block.get("type") == "tool_use" for block in content)
        return answer_of(content, "tool_use" if calls else "end_turn")


def answer_of(content: list[JsonValue], stop_reason: str) -> ClaudeAnswer:
    """A complete answer with some usage."""
    usage = Usage(input_tokens=100, output_tokens=20, cost_micros=500)
    return ClaudeAnswer(
        content=content, stop_reason=stop_reason, usage=usage, model="scripted", request_id="req_scripted"
    )


_WITH_KEY = (EffectClass.KEYED, EffectClass.QUERYABLE)


@dataclass
class RecordingToolbox:
    """Answers tool calls from a table and records them in order, with their keys."""

    answers: Mapping[str, Answer]
    classes: Mapping[str, EffectClass] = field(default_factory=dict)
    schemas: Mapping[str, dict[str, JsonValue]] = field(default_factory=dict)
    undoes: Mapping[str, Undoes] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    resources: Mapping[str, dict[str, str]] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    arguments: list[dict[str, JsonValue]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: dict[str, asyncio.Event] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    """Servers whose tools are remembered."""
    said: Mapping[str, ServerRules] = field(default_factory=dict)
    probed: list[str] = field(default_factory=list)

    def servers(self) -> tuple[str, ...]:
        """Every server that answers something."""
        return tuple(dict.fromkeys(name.split(".", 1)[0] for name in self.answers))

    def rules(self, server: str) -> ServerRules:
        """What a test has said of the server as a whole."""
        return self.said.get(server, GENEROUS)

    def remembered(self, server: str) -> tuple[ToolDefinition, ...]:
        """The same, whether the server can be reached or not, once it was listed."""
        named = [name for name in self.answers if name.startswith(f"{server}.")]
        return tuple(self._definition(server, name) for name in sorted(named)) if server in self.listed else ()

    async def probe(self, server: str) -> None:
        """Record that somebody looked whether the server is back."""
        self.probed.append(server)
        if server in self.unreachable:
            raise NotSent(f"{server} does not answer")

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """A definition per answer."""
        if server not in self.servers():
            raise UnknownServer(f"no server {server!r} is declared")
        if server in self.unreachable:
            raise NotSent(f"{server} does not answer")
        await self._held(f"{server}.*")
        self.listed.add(server)
        named = [name for name in self.answers if name.startswith(f"{server}.")]
        return tuple(self._definition(server, name) for name in sorted(named))

    def _definition(self, server: str, name: str) -> ToolDefinition:
        effect_class = self.classes.get(name, EffectClass.READ)
        return ToolDefinition(
            server=server,
            name=name.split(".", 1)[1],
            input_schema=self.schemas.get(name, _open_schema()),
            effect_class=effect_class,
            key=KeyDelivery(argument="idempotency_key") if effect_class in _WITH_KEY else None,
            lookup=self.lookups.get(name),
            resource=self.resources.get(name),
            undoes=self.undoes.get(name),
            reference=self.references.get(name, ""),
        )

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Record the call, then answer."""
        told = self.answers[await self._record(tool, arguments, key)]
        answer: object = told(arguments) if callable(told) else told
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Delivered):
            return answer
        return Delivered.model_validate({"content": answer})

    async def _record(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> str:
        """Its `server.tool`, once it may answer."""
        name = f"{tool.server}.{tool.name}"
        self.called.append(name)
        self.arguments.append(arguments)
        self.keys.append(key)
        await self._held(name)
        return name

    async def _held(self, name: str) -> None:
        self.reached.setdefault(name, asyncio.Event()).set()
        if name in self.hold:
            await self.hold[name].wait()

    def holding(self, name: str) -> asyncio.Event:
        """From now on the tool `name` (or the listing of `server.*`) answers only when the returned event is set."""
        self.reached.pop(name, None)
        return self.hold.setdefault(name, asyncio.Event())

    async def until_called(self, name: str) -> None:
        """Wait, boundedly, until the tool `name` has been called."""
        await asyncio.wait_for(self.reached.setdefault(name, asyncio.Event()).wait(), WAITS_SECONDS)

    def keys_of(self, name: str) -> list[str]:
        """The keys the tool `name` was called with, in order."""
        return [key for called, key in zip(self.called, self.keys, strict=True) if called == name]

    def arguments_of(self, name: str) -> list[dict[str, JsonValue]]:
        """What the tool `name` was called with, in order."""
        return [given for called, given in zip(self.called, self.arguments, strict=True) if called == name]

    def effects(self) -> list[str]:
        """The calls that were not readings, in order."""
        return [name for name in self.called if self.classes.get(name, EffectClass.READ) is not EffectClass.READ]


def says_no(words: str) -> Any:
    """A tool that answers with an error."""
    return lambda _: Delivered(is_error=True, content=words)


def in_turn(*answers: Any) -> Any:
    """A tool that gives one answer after the other; the last one repeats."""
    left = list(answers)

    def answer(arguments: dict[str, JsonValue]) -> Any:
        following = left.pop(0) if len(left) > 1 else left[0]
        return following(arguments) if callable(following) else following

    return answer


@dataclass
class RulesInTurn:
    """Policies in force one after the other, as somebody edits them: each for one question about `tool`."""

    tool: str
    engines: list[PolicyEngine]

    @property
    def digest(self) -> str:
        """See PolicyEngine."""
        return self.engines[0].digest

    def rule(self, question: PolicyQuestion) -> Ruling:
        """Ask the policy whose turn it is; the last one stays."""
        in_force = self.engines[0]
        if question.tool == self.tool and len(self.engines) > 1:
            self.engines.pop(0)
        return in_force.rule(question)

    def could_permit(self, question: PolicyQuestion) -> bool:
        """See PolicyEngine."""
        return self.engines[0].could_permit(question)

    def shares(self, question: PolicyQuestion, at: datetime) -> tuple[Share, ...]:
        """See PolicyEngine."""
        return self.engines[0].shares(question, at)

    @property
    def files(self) -> Mapping[str, str]:
        """See PolicyEngine."""
        return self.engines[0].files


def _open_schema() -> dict[str, JsonValue]:
    texts: dict[str, JsonValue] = {
        name: {"type": "string"}
        for name in ("order_id", "customer_id", "currency", "reason", "reference", "to", "body")
    }
    numbers: dict[str, JsonValue] = {name: {"type": "integer"} for name in ("cents", "page")}
    return {"type": "object", "properties": {**texts, **numbers}}


@dataclass
class MovableClock:
    """The real time, plus what a story has moved it by."""

    read: Callable[[], Any] | None = None

    async def now(self) -> datetime:
        """Now, as the story has it."""
        return await self.read() if self.read else datetime.now(UTC)
