"""The gate: the activities that rule on a tool call and make it. They trust nobody who calls them.

Who asks comes from the start record, which run it is from Temporal, what is allowed from policy on the very bytes
that are about to be sent. What was sent is in the ledger before the first byte leaves.
"""

import json
import os
import socket
from datetime import timedelta

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.arguments import misfit
from activities.clock import Clock
from activities.conversations import Contents, Conversations, RunKey
from activities.evidence import problem_with
from activities.heartbeat import heartbeating, to_the_end
from activities.identity import CurrentRun
from activities.inbox import StartRecord, Starts
from activities.keys import idempotency_key
from activities.ledger import Claim, Ledger, LedgerEntry, LedgerState
from activities.outcomes import content_bytes, facts_of, result_ref
from activities.pins import Pins
from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused, Toolbox, UnknownServer, UnknownTool
from contracts.canonical import canonical_json
from contracts.decisions import Verdict
from contracts.deployment import Deployment, Mode
from contracts.model import Model
from contracts.policy import Ruling, RulingEffect
from contracts.tools import (
    Action,
    CallStatus,
    Delivered,
    EffectClass,
    Purpose,
    ToolCall,
    ToolDefinition,
    ToolOutcome,
)
from policies.engine import PolicyEngine, PolicyQuestion

MAX_ARGUMENT_BYTES = 64 * 1024
IDEMPOTENT_SENDS = 5
IDEMPOTENT_WITHIN = timedelta(minutes=10)
RETRY_AFTER = timedelta(seconds=2)


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


class ToolActivities:
    """The gate."""

    def __init__(
        self,
        toolbox: Toolbox,
        ledger: Ledger,
        starts: Starts,
        conversations: Conversations,
        contents: Contents,
        pins: Pins,
        policy: PolicyEngine,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
    ) -> None:
        self._toolbox, self._ledger, self._starts = toolbox, ledger, starts
        self._conversations, self._contents, self._pins = conversations, contents, pins
        self._policy, self._current, self._clock = policy, current, clock
        self._deployment = deployment
        self._owner = f"{os.getpid()}@{socket.gethostname()}"

    @activity.defn
    async def rule_on(self, call: ToolCall) -> Ruling:
        """Policy's ruling on a call, with the digest a decision must be bound to. Nothing is sent."""
        try:
            prepared = await self._prepare(call)
        except Refused as refused:
            return Ruling(effect=RulingEffect.FORBID, policy_digest=self._policy.digest, reason=str(refused)[:400])
        return await self._rule(prepared)

    @activity.defn
    async def call_tool(self, call: ToolCall) -> ToolOutcome:
        """Make one call, if policy permits it on the bytes about to be sent; answer with status, shape and reference.

        Raises ApplicationError while trying again is allowed by the effect class.
        """
        async with heartbeating():
            try:
                return await self._call(await self._prepare(call))
            except Refused as refused:
                return ToolOutcome(status=CallStatus.REFUSED, message=str(refused)[:400])

    async def _call(self, prepared: Prepared) -> ToolOutcome:
        standing = await self._ledger.find(prepared.action.key)
        if standing is not None and standing.action_digest != prepared.action_digest:
            raise Refused(f"step {prepared.call.step!r} was used for another action before; its key may not name two")
        if standing is not None and standing.final and standing.outcome is not None:
            return await self._with_facts(standing.outcome, prepared.call)
        ruling = await self._rule(prepared)
        if ruling.effect is not RulingEffect.PERMIT:
            return await self._not_permitted(prepared, standing, ruling)
        entry = standing or await self._claim(prepared)
        if problem := await self._may_not_send(prepared, entry):
            return await self._give_up(prepared, entry, problem)
        return await self._send(prepared, entry)

    # What the gate finds out by itself.

    async def _prepare(self, call: ToolCall) -> Prepared:
        run = await self._current.key()
        start = await self._starts.find(run)
        if start is None:
            raise Refused("this run has no start record; without one nothing has an effect")
        definition = await self._definition(call)
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
        undoes = call.purpose is Purpose.COMPENSATION and await self._ledger.has_sent(
            run.workflow_id, run.first_run_id, call.server
        )
        return Prepared(
            run=run,
            start=start,
            call=call,
            definition=definition,
            action=action,
            action_digest=await self._contents.put(canonical_json(action)),
            undoes_recorded_effect=undoes,
        )

    async def _definition(self, call: ToolCall) -> ToolDefinition:
        try:
            published = await self._toolbox.definitions(call.server)
        except (UnknownServer, UnknownTool) as unknown:
            raise Refused(str(unknown)) from unknown
        except NotSent as not_sent:
            raise _try_later(not_sent, f"{call.server} cannot be reached") from not_sent
        for definition in published:
            if definition.name == call.tool:
                return await self._pinned(definition)
        raise Refused(
            f"{call.server} publishes no tool {call.tool!r}; it has {', '.join(tool.name for tool in published)}"
        )

    async def _pinned(self, definition: ToolDefinition) -> ToolDefinition:
        pin = definition.pin()
        content = canonical_json(definition)
        now = await self._clock.now()
        if self._deployment.mode is Mode.DEVELOPMENT:
            accepted = await self._pins.first_contact(definition.server, definition.name, pin, content, now)
        else:
            accepted = await self._pins.accepted(definition.server, definition.name)
        if accepted != pin:
            name = f"{definition.server}.{definition.name}"
            raise Refused(
                f"{name} has changed since it was accepted, or was never accepted; an operator must pin it anew"
            )
        return definition

    async def _arguments(self, run: RunKey, call: ToolCall, definition: ToolDefinition) -> dict[str, JsonValue]:
        arguments = call.arguments if call.chosen is None else await self._chosen(run, call)
        if arguments is None:
            raise Refused(f"the call of {call.server}.{call.tool} carries no arguments; give {{}} for none")
        size = len(json.dumps(arguments))
        if size > MAX_ARGUMENT_BYTES:
            raise Refused(f"the arguments have {size} bytes; at most {MAX_ARGUMENT_BYTES} are sent")
        if problem := misfit(arguments, definition.input_schema):
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

    # What policy says.

    async def _rule(self, prepared: Prepared) -> Ruling:
        question = PolicyQuestion(
            requester=prepared.start.start.requester,
            automation=prepared.start.start.automation,
            state=prepared.call.state,
            step=prepared.call.step,
            server=prepared.call.server,
            tool=prepared.call.tool,
            kind=prepared.definition.kind,
            purpose=prepared.call.purpose,
            effect_class=prepared.definition.effect_class,
            undoes_recorded_effect=prepared.undoes_recorded_effect,
            arguments=prepared.action.arguments,
            input_schema=prepared.definition.input_schema,
        )
        ruling = self._policy.rule(question)
        if ruling.effect is RulingEffect.NEEDS_APPROVAL and prepared.call.evidence:
            approvals = await self._approvals(prepared, ruling)
            ruling = self._policy.rule(question.model_copy(update={"approvals": approvals}))
        hint = ruling.allowing_rule if self._deployment.mode is Mode.DEVELOPMENT else ""
        return ruling.model_copy(update={"action_digest": prepared.action_digest, "allowing_rule": hint})

    async def _approvals(self, prepared: Prepared, ruling: Ruling) -> dict[str, int]:
        """Role -> distinct people whose approval of exactly this action verifies, here and now."""
        now = await self._clock.now()
        people = {
            decision.approver.strip().casefold()
            for decision in prepared.call.evidence
            if decision.verdict is Verdict.APPROVE
            and not problem_with(
                decision,
                deployment=self._deployment,
                run=prepared.run,
                action_digest=prepared.action_digest,
                requester=prepared.start.start.requester,
                now=now,
            )
        }
        return {obligation.role: len(people) for obligation in ruling.obligations}

    async def _not_permitted(self, prepared: Prepared, standing: LedgerEntry | None, ruling: Ruling) -> ToolOutcome:
        if standing is not None and standing.sends:
            return await self._give_up(prepared, standing, f"it was sent, and then policy changed: {ruling.reason}")
        waiting = ruling.effect is RulingEffect.NEEDS_APPROVAL
        return ToolOutcome(
            status=CallStatus.NEEDS_APPROVAL if waiting else CallStatus.FORBIDDEN,
            action_digest=prepared.action_digest,
            ruling=ruling,
            message=ruling.reason[:400],
        )

    # Sending, once.

    async def _claim(self, prepared: Prepared) -> LedgerEntry:
        action = prepared.action
        claim = Claim(
            key=action.key,
            workflow_id=prepared.run.workflow_id,
            first_run_id=prepared.run.first_run_id,
            step=action.step,
            occurrence=prepared.call.occurrence,
            server=action.server,
            tool=action.tool,
            pin=action.pin,
            effect_class=prepared.definition.effect_class,
            purpose=action.purpose,
            action_digest=prepared.action_digest,
            arguments=action.arguments,
        )
        return await self._ledger.claim(claim, await self._clock.now())

    async def _may_not_send(self, prepared: Prepared, entry: LedgerEntry) -> str:
        """Why an entry that was sent before may not be sent again; empty when it may (DESIGN section 6)."""
        if entry.first_sent_at is None or entry.state is LedgerState.CLAIMED:
            return ""
        age = await self._clock.now() - entry.first_sent_at
        match entry.effect_class:
            case EffectClass.READ:
                return ""
            case EffectClass.IDEMPOTENT:
                spent = entry.sends >= IDEMPOTENT_SENDS or age > IDEMPOTENT_WITHIN
                return f"sent {entry.sends} times in {_seconds(age)} without an answer" if spent else ""
            case EffectClass.KEYED:
                horizon = prepared.definition.key.horizon_seconds / 2 if prepared.definition.key else 0
                late = age.total_seconds() >= horizon
                return f"sent {_seconds(age)} ago; the server may have forgotten the key" if late else ""
            case EffectClass.QUERYABLE | EffectClass.OPAQUE:
                return "it was sent and no answer came; sending it again could do it twice"

    async def _send(self, prepared: Prepared, entry: LedgerEntry) -> ToolOutcome:
        sent = await self._ledger.mark_sent(entry.key, entry.generation, self._owner, await self._clock.now())
        if sent is None:
            raise ApplicationError(
                "another attempt of this call is under way", type="AlreadySent", next_retry_delay=RETRY_AFTER
            )
        return await to_the_end(self._deliver(prepared, sent))

    async def _deliver(self, prepared: Prepared, entry: LedgerEntry) -> ToolOutcome:
        try:
            delivered = await self._toolbox.call(prepared.definition, prepared.action.arguments, entry.key)
        except NotSent as not_sent:
            await self._ledger.release(entry.key, entry.generation)
            raise _try_later(not_sent, f"{prepared.call.server} cannot be reached") from not_sent
        except ServerRefused as refused:
            return await self._finish(prepared, entry, LedgerState.REFUSED, CallStatus.REFUSED, str(refused))
        except OutcomeUnknown as unknown:
            return await self._unanswered(prepared, entry, str(unknown))
        return await self._answered(prepared, entry, delivered)

    async def _answered(self, prepared: Prepared, entry: LedgerEntry, delivered: Delivered) -> ToolOutcome:
        if delivered.unreadable:
            message = f"it was done; its answer cannot be read: {delivered.unreadable}"
            return await self._finish(prepared, entry, LedgerState.DONE, CallStatus.DONE, message)
        if delivered.is_error:
            content = content_bytes(delivered.content)
            said = content.decode()[:400]
            return await self._finish(prepared, entry, LedgerState.SAID_NO, CallStatus.SAID_NO, said, content)
        content = content_bytes(delivered.content)
        return await self._finish(prepared, entry, LedgerState.DONE, CallStatus.DONE, "", content)

    async def _unanswered(self, prepared: Prepared, entry: LedgerEntry, reason: str) -> ToolOutcome:
        if problem := await self._may_not_send(prepared, entry):
            return await self._give_up(prepared, entry, f"{problem} ({reason})")
        raise ApplicationError(f"no answer from {prepared.call.server}: {reason}", type="OutcomeUnknown")

    async def _give_up(self, prepared: Prepared, entry: LedgerEntry, reason: str) -> ToolOutcome:
        """Nobody but a person can know whether it happened."""
        return await self._finish(prepared, entry, LedgerState.UNKNOWN, CallStatus.UNKNOWN, reason)

    async def _finish(
        self,
        prepared: Prepared,
        entry: LedgerEntry,
        state: LedgerState,
        status: CallStatus,
        message: str,
        content: bytes | None = None,
    ) -> ToolOutcome:
        outcome = ToolOutcome(
            status=status,
            action_digest=prepared.action_digest,
            result=result_ref(content) if content is not None else None,
            message=message[:400],
        )
        now = await self._clock.now()
        if not await self._ledger.finish(entry.key, entry.generation, state, outcome, content, now):
            raise ApplicationError(
                "a newer attempt of this call has taken over", type="Overtaken", next_retry_delay=RETRY_AFTER
            )
        return await self._with_facts(outcome, prepared.call, content)

    async def _with_facts(self, outcome: ToolOutcome, call: ToolCall, content: bytes | None = None) -> ToolOutcome:
        if not call.facts or outcome.result is None or not outcome.done:
            return outcome
        stored = content if content is not None else await self._contents.get(outcome.result.digest)
        return outcome.model_copy(update={"facts": facts_of(stored, call.facts)})


def _try_later(not_sent: NotSent, what: str) -> ApplicationError:
    delay = timedelta(seconds=min(not_sent.retry_after_seconds, 3600)) if not_sent.retry_after_seconds else None
    return ApplicationError(f"{what}: {not_sent}", type="NotSent", next_retry_delay=delay)


def _seconds(age: timedelta) -> str:
    return f"{age.total_seconds():.0f} s"
