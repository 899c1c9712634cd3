"""What the gate finds out about a call by itself, before anything is ruled on or sent."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.admission import Admitted
from activities.arguments import misfit
from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.conversations import Contents, Conversations, RunKey
from activities.identity import CurrentRun
from activities.inbox import StartRecord, Starts
from activities.keys import idempotency_key
from activities.ledger import Ledger
from activities.manifest import difference
from activities.toolbox import NotSent, Toolbox, UnknownServer
from contracts.authority import PinnedTool
from contracts.canonical import canonical_json, digest, parse_json
from contracts.deployment import Deployment
from contracts.model import Model
from contracts.tools import Action, EffectClass, Purpose, ToolCall, ToolDefinition

NOT_SENT = "NotSent"
"""Type of the error of an attempt that could send nothing, and may be repeated."""
NOT_LOCALLY = "NotLocally"
"""Type of the error of a local activity that was to call what is no read."""


class Refused(Exception):
    """The gate will not make this call; nothing was sent."""


class Prepared(Model):
    """A call with everything the gate found out about it by itself."""

    run: RunKey
    start: StartRecord
    call: ToolCall
    definition: ToolDefinition
    action: Action
    action_digest: str
    undoes_recorded_effect: bool

    @property
    def nothing_to_undo(self) -> bool:
        """A compensation of a run that has sent no effect of that kind: done without a call."""
        return self.call.purpose is Purpose.COMPENSATION and not self.undoes_recorded_effect


class Preparation:
    """Who asks, for which run, which tool as published and accepted, which arguments, under which key."""

    def __init__(
        self,
        toolbox: Toolbox,
        ledger: Ledger,
        starts: Starts,
        conversations: Conversations,
        contents: Contents,
        authority: Authority,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
    ) -> None:
        self._toolbox, self._ledger, self._starts = toolbox, ledger, starts
        self._conversations, self._contents, self._authority = conversations, contents, authority
        self._current, self._clock, self._deployment = current, clock, deployment

    async def prepare(self, call: ToolCall, admitted: Admitted) -> Prepared:
        """Everything the gate must know. Raises Refused; ApplicationError while the server cannot be reached."""
        return await self._prepared(call, lambda: self.definition(call.server, call.tool, admitted))

    async def prepare_from_memory(self, call: ToolCall) -> Prepared | None:
        """The same without asking the server; None when its tools are not remembered. Raises Refused."""
        remembered = self._toolbox.remembered(call.server)
        return await self._prepared(call, lambda: self._accepted(call.tool, remembered)) if remembered else None

    async def _prepared(self, call: ToolCall, look_up: Callable[[], Awaitable[ToolDefinition]]) -> Prepared:
        run = await self._current.key()
        start = await self._starts.find(run)
        if start is None:
            raise Refused("this run has no start record; without one nothing has an effect")
        definition = await look_up()
        _only_reads_locally(definition)
        arguments = await self._arguments(run, call, definition)
        key = idempotency_key(self._deployment.id, run, call.step, call.occurrence)
        action = Action(
            server=call.server,
            tool=call.tool,
            pin=definition.pin(),
            arguments=arguments,
            step=call.step,
            key=key,
            purpose=call.purpose,
        )
        undoes = call.purpose is Purpose.COMPENSATION and await self._undoes(run, definition, arguments)
        return Prepared(
            run=run,
            start=start,
            call=call,
            definition=definition,
            action=action,
            action_digest=digest(action),
            undoes_recorded_effect=undoes,
        )

    async def keep(self, prepared: Prepared) -> None:
        """Keep what people will be asked about; what is claimed is kept with its claim."""
        await self._contents.put(canonical_json(prepared.action))

    async def _undoes(self, run: RunKey, definition: ToolDefinition, arguments: dict[str, JsonValue]) -> bool:
        """Whether this run has sent an effect that the call takes back. Raises Refused when it takes back another's."""
        name, undoes = f"{definition.server}.{definition.name}", definition.undoes
        if undoes is None:
            raise Refused(
                f"nobody has said what {name} undoes; an operator must, with undoes = ... in the servers file"
            )
        if missing := [argument for argument in undoes.same if arguments.get(argument) is None]:
            raise Refused(f"{name} does not say which {undoes.tool} it undoes: it carries no {missing[0]}")
        sent = await self._ledger.sent(run.workflow_id, run.first_run_id, definition.server, undoes.tool)
        wanted = [arguments[argument] for argument in undoes.same]
        if sent and all(wanted != [each.get(argument) for argument in undoes.same] for each in sent):
            agree = ", ".join(undoes.same)
            raise Refused(f"{name} would undo another {undoes.tool} than this run has sent; they must agree in {agree}")
        return bool(sent)

    async def definition(self, server: str, tool: str, admitted: Admitted) -> ToolDefinition:
        """The tool as published, if it was accepted so. Raises Refused; ApplicationError while it cannot be reached."""
        try:
            published = await admitted.listing(self._toolbox.definitions(server))
        except UnknownServer as unknown:
            raise Refused(str(unknown)) from unknown
        except NotSent as not_sent:
            raise try_later(not_sent, f"{server} cannot be reached") from not_sent
        return await self._accepted(tool, published)

    async def _accepted(self, tool: str, published: tuple[ToolDefinition, ...]) -> ToolDefinition:
        for definition in published:
            if definition.name == tool:
                return await self._pinned(definition)
        names = ", ".join(each.name for each in published)
        raise Refused(
            f"{published[0].server if published else 'the server'} publishes no tool {tool!r}; it has {names}"
        )

    async def _pinned(self, definition: ToolDefinition) -> ToolDefinition:
        name = f"{definition.server}.{definition.name}"
        try:
            accepted = await self._authority.pinned(definition, await self._clock.now())
        except NothingInForce as nothing:
            raise Refused(str(nothing)) from nothing
        if accepted is None:
            raise Refused(f"{name} was never accepted; an operator must pin it: interlock tools pin {name}")
        if accepted.pin != definition.pin():
            raise Refused(await self._changed(name, accepted, definition))
        return definition

    async def _changed(self, name: str, accepted: PinnedTool, published: ToolDefinition) -> str:
        content = await self._contents.get(accepted.definition)
        before = parse_json(content) if content else {}
        what = difference(before if isinstance(before, dict) else {}, published.as_published())
        return f"{name} has changed since it was accepted: {what}; an operator must pin it anew: interlock tools diff"

    async def _arguments(self, run: RunKey, call: ToolCall, definition: ToolDefinition) -> dict[str, JsonValue]:
        arguments = call.arguments if call.chosen is None else await self._chosen(run, call)
        if arguments is None:
            raise Refused(f"the call of {call.server}.{call.tool} carries no arguments; give {{}} for none")
        size = len(json.dumps(arguments))
        most = self._toolbox.rules(call.server).limits.arguments
        if size > most:
            raise Refused(f"the arguments have {size} bytes; at most {most} are sent")
        if problem := misfit(arguments, definition.input_schema) or _not_its_own(run, arguments, definition):
            raise Refused(f"{call.server}.{call.tool}: {problem}"[:400])
        return arguments

    async def _chosen(self, run: RunKey, call: ToolCall) -> dict[str, JsonValue]:
        """The arguments as Claude wrote them; server and tool must be the ones it named."""
        chosen = call.chosen
        delta = await self._conversations.find(run, chosen.conversation, chosen.turn) if chosen else None
        if chosen is None or delta is None or delta.assistant is None or delta.outcome is None:
            raise Refused("Claude's answer is not in the store; this call cannot be made")
        named = {
            (proposed.block, proposed.server, proposed.tool) for proposed in delta.outcome.calls if not proposed.problem
        }
        block = delta.assistant[chosen.block] if chosen.block < len(delta.assistant) else None
        if (chosen.block, call.server, call.tool) not in named or not isinstance(block, dict):
            raise Refused(f"Claude did not ask for {call.server}.{call.tool} there, or was not offered it")
        arguments = block.get("input")
        return dict(arguments) if isinstance(arguments, dict) else {}


def try_later(not_sent: NotSent, what: str) -> ApplicationError:
    """Nothing was sent: Temporal may try again, not before the server wants it."""
    delay = timedelta(seconds=min(not_sent.retry_after_seconds, 3600)) if not_sent.retry_after_seconds else None
    return ApplicationError(f"{what}: {not_sent}", type=NOT_SENT, next_retry_delay=delay)


def _only_reads_locally(definition: ToolDefinition) -> None:
    """Whoever schedules it: a local activity is lost with its workflow task, and made anew unknown to history.

    Raises ApplicationError for whatever is not of class read.
    """
    if activity.info().is_local and definition.effect_class is not EffectClass.READ:
        name, effect_class = f"{definition.server}.{definition.name}", definition.effect_class.value
        message = f"{name} is of class {effect_class}, not read; it is called in an activity of its own"
        raise ApplicationError(message, type=NOT_LOCALLY, non_retryable=True)


def _not_its_own(run: RunKey, arguments: dict[str, JsonValue], definition: ToolDefinition) -> str:
    """What is wrong with the name under which the other side keeps the call; empty when it is the run's own."""
    named = definition.reference
    if not named or arguments.get(named) == run.workflow_id:
        return ""
    return f"{named} must be the id of the run that calls, {run.workflow_id!r}"
