"""Send a call once, with the ledger as witness; the effect class says what may follow a lost answer."""

import os
import socket
from datetime import timedelta

from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.admission import Admitted
from activities.clock import Clock
from activities.conversations import Contents
from activities.freezes import Freezes, hold_if_frozen
from activities.heartbeat import to_the_end
from activities.ledger import Claim, Ledger, LedgerEntry, LedgerState
from activities.looking_up import Lookups
from activities.lost_answers import IDEMPOTENT_SENDS, SETTLING, Course, Follow, course_of
from activities.outcomes import content_bytes, facts_of, result_ref
from activities.preparing import Prepared, Refused, try_later
from activities.taints import Taints
from activities.toolbox import Health, NotSent, OutcomeUnknown, ServerRefused, Toolbox
from activities.totals import Spending, Totals
from contracts.canonical import canonical_json, digest
from contracts.model import Model
from contracts.policy import Ruling
from contracts.tools import CallStatus, Delivered, EffectClass, ToolCall, ToolOutcome

RETRY_AFTER = timedelta(seconds=2)
QUOTED_CHARACTERS = 120
"""Of a tool's refusal; the whole of it stands in the store (docs/decisions/0009)."""
NO_EFFECT = (LedgerState.SAID_NO, LedgerState.REFUSED)
"""What was reserved of running totals for these is given back."""
NOT_THE_SAME_ANSWER = (EffectClass.IDEMPOTENT, EffectClass.QUERYABLE)
"""Where a second send is answered anew; a server that knows our key answers as it did the first time."""
LEAST_WAIT = timedelta(milliseconds=100)
"""Before the next attempt, when what it waits for is due already."""


def refuse_another(prepared: Prepared, standing: LedgerEntry) -> None:
    """What is sent under a key is what stands in the ledger under it. Raises Refused."""
    if standing.action_digest != prepared.action_digest:
        raise Refused(f"step {prepared.call.step!r} was used for another action before; its key may not name two")


def spending_of(prepared: Prepared) -> Spending:
    """The call as something that adds to running totals."""
    return Spending(key=prepared.action.key, action_digest=prepared.action_digest, run=prepared.run)


class Permission(Model):
    """By what a call is permitted; told to the audit chain."""

    ruling: Ruling
    roster_digest: str
    evidence: tuple[str, ...] = ()
    """Nonces of the decisions that count."""


class Sending:
    """The last part of the gate. Every send has an entry in the ledger before its first byte."""

    def __init__(
        self,
        toolbox: Toolbox,
        ledger: Ledger,
        contents: Contents,
        totals: Totals,
        taints: Taints,
        lookups: Lookups,
        freezes: Freezes,
        clock: Clock,
    ) -> None:
        self._toolbox, self._ledger, self._contents, self._clock = toolbox, ledger, contents, clock
        self._totals, self._taints, self._lookups, self._freezes = totals, taints, lookups, freezes
        self._owner = f"{os.getpid()}@{socket.gethostname()}"

    async def send(
        self, prepared: Prepared, standing: LedgerEntry | None, permission: Permission, admitted: Admitted
    ) -> ToolOutcome:
        """Send, unless it was sent before and must not be again.

        Raises ApplicationError while a retry is allowed, Held when the server's rate leaves no room now.
        """
        if standing is None and prepared.definition.effect_class is EffectClass.READ:
            await self._hold_unless_free(prepared, admitted)
            claim = _claim_of(prepared, permission)
            sent = await self._ledger.send_new(claim, self._owner, await self._clock.now())
            if sent is not None:
                return await self._deliver(prepared, sent, admitted)
        entry = standing or await self._claim(prepared, permission)
        refuse_another(prepared, entry)  # a rival may have claimed the key for it meanwhile
        return await self._go_on(prepared, entry, "", admitted)

    async def find_out(
        self, prepared: Prepared, standing: LedgerEntry, forbidden: str, admitted: Admitted
    ) -> ToolOutcome:
        """What came of a call that was sent and may not be sent again, for the reason `forbidden`.

        Raises ApplicationError while it is being found out, Held when the server's rate leaves no room now.
        """
        return await self._go_on(prepared, standing, forbidden, admitted)

    async def answer_from_memory(self, prepared: Prepared, permission: Permission, why: str) -> ToolOutcome | None:
        """What answered the same question not too long ago, marked with its age; None when nothing did."""
        question, now = question_of(prepared), await self._clock.now()
        since = now - timedelta(seconds=prepared.call.stale_seconds)
        known = await self._ledger.answered(question, since) if question else None
        content = await self._contents.get(known.outcome.result.digest) if known and known.outcome.result else None
        if known is None or content is None:
            return None
        entry = await self._claim(prepared, permission)
        refuse_another(prepared, entry)
        if entry.final and entry.outcome is not None:
            return await self.with_facts(entry.outcome, prepared.call)
        tainted = await self._taint(prepared)
        age = max(1, int((now - known.at).total_seconds()))  # never as if it had been read now
        outcome = await self._finish(
            prepared, entry, LedgerState.DONE, CallStatus.DONE, f"read {age} s ago; {why}", content, age
        )
        return outcome.model_copy(update={"taint": prepared.definition.taints}) if tainted else outcome

    async def _go_on(self, prepared: Prepared, entry: LedgerEntry, forbidden: str, admitted: Admitted) -> ToolOutcome:
        course = await self._course(prepared, entry)
        match course.follow:
            case Follow.SEND if not forbidden:
                return await self._send(prepared, entry, admitted)
            case Follow.WAIT:
                raise _settling(prepared, course.wait)
            case Follow.LOOK_UP:
                return await self._look_up(prepared, entry, forbidden, admitted)
            case Follow.SEND | Follow.ASK:
                return await self.give_up(prepared, entry, forbidden or course.reason)

    async def _look_up(self, prepared: Prepared, entry: LedgerEntry, forbidden: str, admitted: Admitted) -> ToolOutcome:
        seen = await self._lookups.look_up(prepared, admitted)
        if seen.unclear:
            return await self.give_up(prepared, entry, f"no answer came, and {seen.unclear}")
        if seen.found is not None:
            lookup = prepared.definition.lookup
            message = f"no answer came; found by {lookup.tool}" if lookup else ""
            content = content_bytes(seen.found)
            return await self._finish(prepared, entry, LedgerState.ADOPTED, CallStatus.DONE, message, content)
        looked_up = await self._ledger.looked_up(entry.key, entry.generation, entry.lookups, await self._clock.now())
        if looked_up is None:
            raise _overtaken()
        return await self._go_on(prepared, looked_up, forbidden, admitted)

    async def _claim(self, prepared: Prepared, permission: Permission) -> LedgerEntry:
        return await self._ledger.claim(_claim_of(prepared, permission), await self._clock.now())

    async def _course(self, prepared: Prepared, entry: LedgerEntry, *, own: bool = False) -> Course:
        """What follows for an entry that is not final (DESIGN section 6). `own`: this attempt has sent it."""
        sent_at, overwritten = entry.first_sent_at, False
        if entry.effect_class is EffectClass.IDEMPOTENT and entry.resource is not None and sent_at is not None:
            overwritten = await self._ledger.written_since(entry.resource, sent_at, entry.key)
        return course_of(prepared.definition, entry, await self._clock.now(), overwritten, own)

    async def _send(self, prepared: Prepared, entry: LedgerEntry, admitted: Admitted) -> ToolOutcome:
        await self._hold_unless_free(prepared, admitted)
        sent = await self._ledger.mark_sent(entry.key, entry.generation, self._owner, await self._clock.now())
        if sent is None:
            raise ApplicationError(
                "another attempt of this call is under way", type="AlreadySent", next_retry_delay=RETRY_AFTER
            )
        return await self._deliver(prepared, sent, admitted)

    async def _hold_unless_free(self, prepared: Prepared, admitted: Admitted) -> None:
        """The last thing before a send: every class, readings and compensations too. Raises Held."""
        await admitted.to_send()
        action, automation = prepared.action, prepared.start.start.automation
        await hold_if_frozen(self._freezes, automation, action.server, action.tool)

    async def _deliver(self, prepared: Prepared, entry: LedgerEntry, admitted: Admitted) -> ToolOutcome:
        return await to_the_end(self._carry_out(prepared, entry, admitted))

    async def _carry_out(self, prepared: Prepared, entry: LedgerEntry, admitted: Admitted) -> ToolOutcome:
        tainted = await self._taint(prepared)
        outcome = await self._exchange(prepared, entry, admitted)
        return outcome.model_copy(update={"taint": prepared.definition.taints}) if tainted else outcome

    async def _taint(self, prepared: Prepared) -> bool:
        """Written before anything is read: a crash on the way leaves a run tainted rather than forgotten."""
        tool = f"{prepared.call.server}.{prepared.call.tool}"
        now = await self._clock.now()
        return await self._taints.add(prepared.run, prepared.definition.taints, tool, now)

    async def _exchange(self, prepared: Prepared, entry: LedgerEntry, admitted: Admitted) -> ToolOutcome:
        try:
            await self._leaves_in_time(prepared, entry)
            asking = self._toolbox.call(prepared.definition, prepared.action.arguments, entry.key)
            delivered = await admitted.call(asking)
        except NotSent as not_sent:
            await self._ledger.release(entry.key, entry.generation, await self._clock.now())
            raise try_later(not_sent, f"{prepared.call.server} cannot be reached") from not_sent
        except ServerRefused as refused:
            if entry.sends > 1 and entry.effect_class is not EffectClass.READ:
                return await self._refused_again(prepared, entry, str(refused))
            return await self._finish(
                prepared, entry, LedgerState.REFUSED, CallStatus.REFUSED, str(refused)[:QUOTED_CHARACTERS]
            )
        except OutcomeUnknown as unknown:
            return await self._unanswered(prepared, entry, str(unknown))
        return await self._answered(prepared, entry, delivered)

    async def _leaves_in_time(self, prepared: Prepared, entry: LedgerEntry) -> None:
        """What leaves late comes when others have given it up, or have looked for it. Raises NotSent: it is free again.

        A worker may stand still for longer than its heartbeat is waited for.
        """
        sent_at = entry.last_sent_at
        if sent_at is None or entry.effect_class is EffectClass.READ:
            return
        lag = (await self._clock.now() - sent_at).total_seconds()
        if lag > prepared.definition.leaves_within_seconds:
            raise NotSent(f"this worker took {lag:.0f} s to come to it", health=Health.UNTOLD)

    async def _refused_again(self, prepared: Prepared, entry: LedgerEntry, refused: str) -> ToolOutcome:
        """That this send was refused says nothing of an earlier one that was never answered."""
        reason = f"an earlier send was never answered, and now the server refuses: {refused}"
        if entry.sends >= IDEMPOTENT_SENDS:
            return await self.give_up(prepared, entry, reason)
        return await self._unanswered(prepared, entry, reason)

    async def _answered(self, prepared: Prepared, entry: LedgerEntry, delivered: Delivered) -> ToolOutcome:
        if delivered.unreadable:
            message = f"it was done; its answer cannot be read: {delivered.unreadable}"
            return await self._finish(prepared, entry, LedgerState.DONE, CallStatus.DONE, message)
        if delivered.is_error:
            content = content_bytes(delivered.content)
            said = content.decode()[:QUOTED_CHARACTERS]
            if entry.sends > 1 and entry.effect_class in NOT_THE_SAME_ANSWER:
                return await self._refused_again(prepared, entry, said)
            return await self._finish(prepared, entry, LedgerState.SAID_NO, CallStatus.SAID_NO, said, content)
        content = content_bytes(delivered.content)
        return await self._finish(prepared, entry, LedgerState.DONE, CallStatus.DONE, "", content)

    async def _unanswered(self, prepared: Prepared, entry: LedgerEntry, reason: str) -> ToolOutcome:
        course = await self._course(prepared, entry, own=True)
        if course.follow is Follow.ASK:
            return await self.give_up(prepared, entry, f"{course.reason} ({reason})")
        message = f"no answer from {prepared.call.server}: {reason}"
        delay = max(course.wait, LEAST_WAIT) if course.follow is Follow.WAIT else None
        raise ApplicationError(message, type="OutcomeUnknown", next_retry_delay=delay)

    async def leave_unknown(self, entry: LedgerEntry, reason: str) -> ToolOutcome:
        """As `give_up`, of a call that cannot be prepared any more. Raises ApplicationError when it was overtaken."""
        outcome = ToolOutcome(status=CallStatus.UNKNOWN, action_digest=entry.action_digest, message=reason[:400])
        now = await self._clock.now()
        if not await self._ledger.finish(entry.key, entry.generation, LedgerState.UNKNOWN, outcome, None, now):
            raise _overtaken()
        return outcome

    async def give_up(self, prepared: Prepared, entry: LedgerEntry, reason: str) -> ToolOutcome:
        """Nobody but a person can know whether it happened."""
        owner = f"; ask {prepared.definition.owner}" if prepared.definition.owner else ""
        message = f"{reason[: 380 - len(owner)]}{owner}"
        return await self._finish(prepared, entry, LedgerState.UNKNOWN, CallStatus.UNKNOWN, message)

    async def _finish(
        self,
        prepared: Prepared,
        entry: LedgerEntry,
        state: LedgerState,
        status: CallStatus,
        message: str,
        content: bytes | None = None,
        age_seconds: int = 0,
    ) -> ToolOutcome:
        outcome = ToolOutcome(
            status=status,
            action_digest=prepared.action_digest,
            result=result_ref(content) if content is not None else None,
            message=message[:400],
            age_seconds=age_seconds,
        )
        now = await self._clock.now()
        if not await self._ledger.finish(entry.key, entry.generation, state, outcome, content, now):
            raise _overtaken()
        if state in NO_EFFECT and entry.sends == 1:  # of an earlier send nobody knows
            await self._totals.release(spending_of(prepared), now)
        return await self.with_facts(outcome, prepared.call, content)

    async def with_facts(self, outcome: ToolOutcome, call: ToolCall, content: bytes | None = None) -> ToolOutcome:
        """`outcome` with the facts the workflow asked for."""
        if not call.facts or outcome.result is None or not outcome.done:
            return outcome
        stored = content if content is not None else await self._contents.get(outcome.result.digest)
        return outcome.model_copy(update={"facts": facts_of(stored, call.facts)})


def _claim_of(prepared: Prepared, permission: Permission) -> Claim:
    action = prepared.action
    return Claim(
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
        requester=prepared.start.start.requester,
        policy_digest=permission.ruling.policy_digest,
        rule_ids=permission.ruling.rule_ids,
        roster_digest=permission.roster_digest,
        evidence=permission.evidence,
        credential=prepared.definition.credential,
        resource=_resource(prepared),
        question=question_of(prepared),
        action=canonical_json(action),
    )


def _resource(prepared: Prepared) -> str | None:
    """Digest of what the call changes: the named arguments, else all of its tool; None for a read."""
    definition = prepared.definition
    if definition.effect_class is EffectClass.READ:
        return None
    named: dict[str, JsonValue] = {"server": definition.server}
    if definition.resource is None:
        return digest(named | {"tool": definition.name})
    arguments = prepared.action.arguments
    return digest(named | {"of": {part: arguments.get(name) for part, name in definition.resource.items()}})


def question_of(prepared: Prepared) -> str | None:
    """Digest of what a read asks, whoever asks it and in whichever run; None for an effect."""
    definition = prepared.definition
    if definition.effect_class is not EffectClass.READ:
        return None
    asked: dict[str, JsonValue] = {"server": definition.server, "tool": definition.name, "pin": prepared.action.pin}
    return digest(asked | {"arguments": prepared.action.arguments, "credential": definition.credential})


def _settling(prepared: Prepared, wait: timedelta) -> ApplicationError:
    message = f"no answer has come from {prepared.call.server}; it is waited for, then looked up or asked about"
    return ApplicationError(message, type=SETTLING, next_retry_delay=max(wait, LEAST_WAIT))


def _overtaken() -> ApplicationError:
    message = "a newer attempt of this call has taken over"
    return ApplicationError(message, type="Overtaken", next_retry_delay=RETRY_AFTER)
