"""The gate: the activities that rule on a tool call and make it. They trust nobody who calls them.

Who asks comes from the start record, which run it is from Temporal, what is allowed from the policy in force on the
very bytes that are about to be sent. What was sent is in the ledger before the first byte leaves.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.admission import HELD, Admission, Admitted, Held, HeldBy
from activities.audit import Audit
from activities.authority import Authority
from activities.clock import Clock
from activities.conversations import Contents, Conversations
from activities.decided import Decided
from activities.freezes import Freezes, hold_if_frozen
from activities.heartbeat import heartbeating
from activities.identity import CurrentRun
from activities.inbox import Inbox, Starts
from activities.keys import idempotency_key
from activities.ledger import Ledger, LedgerEntry
from activities.looking_up import Lookups
from activities.plans import Plans
from activities.preparing import NOT_SENT, Preparation, Prepared, Refused, try_later
from activities.ruling import Rulings
from activities.sending import Sending, refuse_another
from activities.taints import Taints
from activities.toolbox import NotSent, Toolbox, UnknownServer
from activities.totals import Totals
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest
from contracts.deployment import Deployment
from contracts.policy import Ruling, RulingEffect
from contracts.tools import CallStatus, EffectClass, ToolCall, ToolOutcome, WhenHeld

LONGEST_WAIT_FOR_ROOM = timedelta(seconds=30)
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
        inbox: Inbox,
        decided: Decided,
        totals: Totals,
        taints: Taints,
        freezes: Freezes,
        audit: Audit,
        authority: Authority,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
        admission: Admission,
    ) -> None:
        self._admission, self._deployment = admission, deployment
        self._ledger, self._totals, self._audit = ledger, totals, audit
        self._starts, self._freezes = starts, freezes
        self._current, self._clock = current, clock
        self._preparation = Preparation(
            toolbox, ledger, starts, conversations, contents, authority, current, clock, deployment
        )
        plans = Plans(toolbox, contents, ledger)
        self._rulings = Rulings(authority, inbox, decided, totals, taints, plans, clock, deployment)
        lookups = Lookups(toolbox, self._preparation, taints, freezes, clock)
        self._sending = Sending(toolbox, ledger, contents, totals, taints, lookups, freezes, clock)

    @activity.defn
    async def rule_on(self, call: ToolCall) -> Ruling:
        """Policy's ruling on a call, with the digest a decision must be bound to. Nothing is sent.

        Raises ApplicationError when the gate would refuse the call whatever policy says.
        """
        async with heartbeating():
            try:
                async with self._held_rather_than_failing(call), self._admitted(call, calls=False) as admitted:
                    prepared = await self._preparation.prepare(call, admitted)
                    ruling = (await self._rulings.rule(prepared, spending=False)).ruling
                    await self._preparation.keep(prepared)
            except Refused as refused:
                raise ApplicationError(str(refused), type="Refused", non_retryable=True) from refused
            except Held as held:
                raise held_back(held) from held
            await self._tell(prepared, ruling)
            return ruling

    @activity.defn
    async def call_tool(self, call: ToolCall) -> ToolOutcome:
        """Make one call, if policy permits it on the bytes about to be sent; answer with status, shape and reference.

        As a local activity it makes reads alone. Raises ApplicationError while trying again is allowed by the effect
        class, and for good where a local activity would call what is no read.
        """
        return briefly(await self._outcome(call), call)

    async def _outcome(self, call: ToolCall) -> ToolOutcome:
        prepared: Prepared | None = None
        async with heartbeating():
            try:
                async with self._held_rather_than_failing(call), self._admitted(call, calls=True) as admitted:
                    prepared = await self._preparation.prepare(call, admitted)
                    return await self._call(prepared, admitted)
            except Refused as refused:
                await self._tell_refused(call, str(refused))
                return await self._refused(call, str(refused), prepared)
            except Held as held:
                return await self._instead(call, held)

    async def _refused(self, call: ToolCall, reason: str, prepared: Prepared | None) -> ToolOutcome:
        """A refusal, unless an earlier attempt has sent it: of what was sent nobody knows by that.

        Another action under its key says nothing of it either, and is refused.
        """
        sent = await self._sent_unanswered(call)
        if sent is not None and (prepared is None or prepared.action_digest == sent.action_digest):
            return await self._sending.leave_unknown(sent, f"it was sent, and then: {reason}")
        return ToolOutcome(status=CallStatus.REFUSED, message=reason[:400])

    async def _sent_unanswered(self, call: ToolCall) -> LedgerEntry | None:
        """The effect that stands under the key of this call, if it was sent and nobody knows what came of it."""
        key = idempotency_key(self._deployment.id, await self._current.key(), call.step, call.occurrence)
        entry = await self._ledger.find(key)
        unanswered = entry is not None and not entry.final and entry.sends > 0
        return entry if unanswered and entry and entry.effect_class is not EffectClass.READ else None

    async def _instead(self, call: ToolCall, held: Held) -> ToolOutcome:
        """What there is without the server: the answer that stands, an old one, word that it is held; else to wait.

        Raises ApplicationError to wait: also for a place or for the rate, which are soon free again.
        """
        if held.kind is HeldBy.BREAKER:
            with suppress(Refused):  # that may be otherwise once the server can be asked
                if (answer := await self._from_memory(call, str(held))) is not None:
                    return answer
            if call.when_held is WhenHeld.REPORT and await self._sent_unanswered(call) is None:
                return ToolOutcome(status=CallStatus.HELD, message=str(held)[:400])
        raise held_back(held) from held

    async def _from_memory(self, call: ToolCall, why: str) -> ToolOutcome | None:
        """The answer to this very call, if it stands; else what was read before, by whichever run, if it is young
        enough and policy permits this run to read it now.
        """
        prepared = await self._preparation.prepare_from_memory(call)
        if prepared is None:
            return None
        if (standing := await self._standing(prepared)) is not None and standing.final and standing.outcome is not None:
            return await self._sending.with_facts(standing.outcome, call)
        permission = await self._rulings.rule(prepared, spending=False) if call.stale_seconds else None
        if permission is None or permission.ruling.effect is not RulingEffect.PERMIT:
            return None
        return await self._sending.answer_from_memory(prepared, permission, why)

    async def _standing(self, prepared: Prepared) -> LedgerEntry | None:
        """What the ledger says of it. Raises Refused when its key stands for another action."""
        standing = await self._ledger.find(prepared.action.key)
        if standing is not None:
            refuse_another(prepared, standing)
        return standing

    @asynccontextmanager
    async def _held_rather_than_failing(self, call: ToolCall) -> AsyncIterator[None]:
        """What is frozen is being repaired: a server that is down or changed meanwhile refuses nothing for good."""
        try:
            yield
        except (Refused, Held, ApplicationError) as failure:
            if not isinstance(failure, ApplicationError) or failure.type == NOT_SENT:
                start = await self._starts.find(await self._current.key())
                if start is not None:
                    await hold_if_frozen(self._freezes, start.start.automation, call.server, call.tool)
            raise

    @asynccontextmanager
    async def _admitted(self, call: ToolCall, *, calls: bool) -> AsyncIterator[Admitted]:
        """Around everything that may talk to the server. Raises Held, Refused, and ApplicationError to try later."""
        try:
            async with self._admission.to(call.server, calls=calls) as admitted:
                yield admitted
        except UnknownServer as unknown:
            raise Refused(str(unknown)) from unknown
        except NotSent as not_sent:
            raise try_later(not_sent, f"{call.server} cannot be reached") from not_sent

    async def _call(self, prepared: Prepared, admitted: Admitted) -> ToolOutcome:
        standing = await self._standing(prepared)
        if standing is not None and standing.final and standing.outcome is not None:
            return await self._sending.with_facts(standing.outcome, prepared.call)
        if prepared.nothing_to_undo:
            return ToolOutcome(status=CallStatus.DONE, action_digest=prepared.action_digest, message=NOTHING_TO_UNDO)
        try:
            permission = await self._rulings.rule(prepared, spending=True)
        except Refused as refused:
            if standing is None or not standing.sends:
                raise
            return await self._sending.find_out(prepared, standing, f"it was sent, and then: {refused}", admitted)
        if permission.ruling.effect is not RulingEffect.PERMIT:
            await self._tell(prepared, permission.ruling)
            return await self._not_permitted(prepared, standing, permission.ruling, admitted)
        return await self._sending.send(prepared, standing, permission, admitted)

    async def _not_permitted(
        self, prepared: Prepared, standing: LedgerEntry | None, ruling: Ruling, admitted: Admitted
    ) -> ToolOutcome:
        if standing is not None and standing.sends:
            changed = f"it was sent, and then policy changed: {ruling.reason}"
            return await self._sending.find_out(prepared, standing, changed, admitted)
        waiting = ruling.effect is RulingEffect.NEEDS_APPROVAL
        if waiting:
            await self._preparation.keep(prepared)
        return ToolOutcome(
            status=CallStatus.NEEDS_APPROVAL if waiting else CallStatus.FORBIDDEN,
            action_digest=prepared.action_digest,
            ruling=ruling,
            message=ruling.reason[:400],
        )

    async def _tell_refused(self, call: ToolCall, reason: str) -> None:
        run = await self._current.key()
        about = f"{call.server}.{call.tool}"
        record = AuditRecord(
            kind=AuditKind.CALL_REFUSED,
            at=await self._clock.now(),
            **run.model_dump(),
            about=about[:200],
            facts={"step": call.step[:200], "occurrence": call.occurrence[:60], "why": reason[:300]},
            once=digest(f"{about} {call.step} {call.occurrence} {reason}".encode("utf-8", "backslashreplace")),
        )
        await self._audit.append(record)

    async def _tell(self, prepared: Prepared, ruling: Ruling) -> None:
        """Auditors learn of every ruling; one that permits a call stands with the claim of that call."""
        record = AuditRecord(
            kind=AuditKind.RULING,
            at=await self._clock.now(),
            **prepared.run.model_dump(),
            who=prepared.start.start.requester,
            about=prepared.action_digest,
            facts={
                "effect": ruling.effect.value,
                "rules": list(ruling.rule_ids),
                "policy": ruling.policy_digest,
                "totals": dict(ruling.totals),
            },
        )
        await self._audit.append(record)


def briefly(outcome: ToolOutcome, call: ToolCall) -> ToolOutcome:
    """Of what Claude asked to read at once the run learns that it was read; Claude finds the result by its key."""
    needless = call.chosen is not None and activity.info().is_local
    return outcome.model_copy(update={"result": None}) if needless else outcome


def held_back(held: Held) -> ApplicationError:
    """The durable wait: Temporal tries again when it may help, and its pending activity says what is waited for.

    Where nobody knows when there will be room, whoever has come often comes less often.
    """
    seconds = held.retry_after_seconds
    if held.kind is not HeldBy.BREAKER:
        seconds = max(seconds, min(seconds * activity.info().attempt, LONGEST_WAIT_FOR_ROOM.total_seconds()))
    return ApplicationError(str(held), type=HELD, next_retry_delay=timedelta(seconds=seconds))
