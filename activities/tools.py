"""The gate: the activities that rule on a tool call and make it. They trust nobody who calls them.

Who asks comes from the start record, which run it is from Temporal, what is allowed from policy on the very bytes
that are about to be sent. What was sent is in the ledger before the first byte leaves.
"""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import Clock
from activities.conversations import Contents, Conversations
from activities.evidence import problem_with
from activities.heartbeat import heartbeating
from activities.identity import CurrentRun
from activities.inbox import Starts
from activities.ledger import Ledger, LedgerEntry
from activities.pins import Pins
from activities.preparing import Preparation, Prepared, Refused
from activities.sending import Sending
from activities.toolbox import Toolbox
from contracts.decisions import Verdict
from contracts.deployment import Deployment, Mode
from contracts.policy import Ruling, RulingEffect
from contracts.tools import CallStatus, ToolCall, ToolOutcome
from policies.engine import PolicyEngine, PolicyQuestion

NOTHING_TO_UNDO = "nothing was sent that could be undone"


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
        self._ledger, self._policy, self._clock, self._deployment = ledger, policy, clock, deployment
        self._preparation = Preparation(
            toolbox, ledger, starts, conversations, contents, pins, current, clock, deployment
        )
        self._sending = Sending(toolbox, ledger, contents, clock)

    @activity.defn
    async def rule_on(self, call: ToolCall) -> Ruling:
        """Policy's ruling on a call, with the digest a decision must be bound to. Nothing is sent.

        Raises ApplicationError when the gate would refuse the call whatever policy says.
        """
        async with heartbeating():
            try:
                return await self._rule(await self._preparation.prepare(call))
            except Refused as refused:
                raise ApplicationError(str(refused), type="Refused", non_retryable=True) from refused

    @activity.defn
    async def call_tool(self, call: ToolCall) -> ToolOutcome:
        """Make one call, if policy permits it on the bytes about to be sent; answer with status, shape and reference.

        Raises ApplicationError while trying again is allowed by the effect class.
        """
        async with heartbeating():
            try:
                return await self._call(await self._preparation.prepare(call))
            except Refused as refused:
                return ToolOutcome(status=CallStatus.REFUSED, message=str(refused)[:400])

    async def _call(self, prepared: Prepared) -> ToolOutcome:
        standing = await self._ledger.find(prepared.action.key)
        if standing is not None and standing.action_digest != prepared.action_digest:
            raise Refused(f"step {prepared.call.step!r} was used for another action before; its key may not name two")
        if standing is not None and standing.final and standing.outcome is not None:
            return await self._sending.with_facts(standing.outcome, prepared.call)
        if prepared.nothing_to_undo:
            return ToolOutcome(status=CallStatus.DONE, action_digest=prepared.action_digest, message=NOTHING_TO_UNDO)
        ruling = await self._rule(prepared)
        if ruling.effect is not RulingEffect.PERMIT:
            return await self._not_permitted(prepared, standing, ruling)
        return await self._sending.send(prepared, standing)

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
            return await self._sending.give_up(
                prepared, standing, f"it was sent, and then policy changed: {ruling.reason}"
            )
        waiting = ruling.effect is RulingEffect.NEEDS_APPROVAL
        return ToolOutcome(
            status=CallStatus.NEEDS_APPROVAL if waiting else CallStatus.FORBIDDEN,
            action_digest=prepared.action_digest,
            ruling=ruling,
            message=ruling.reason[:400],
        )
