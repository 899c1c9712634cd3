"""What the owners of an automation answer, verified anew by the one who acts on it: who may answer no run can say."""

from collections.abc import Mapping
from dataclasses import replace

from activities.authority import Authority
from activities.clock import Clock
from activities.conversations import RunKey
from activities.decided import Decided
from activities.evidence import Circumstances, approver_of, problem_with
from activities.inbox import Inbox, InboxEntry, StartRecord, Starts
from contracts.decisions import DEFAULT_ESCALATION_WITHIN, Decision, RequestKind
from contracts.deployment import Deployment
from contracts.policy import Obligation

OwnerRoles = Mapping[str, str]
"""Automation -> the role whose holders choose when its runs escalate."""


class DoesNotCount(Exception):
    """The word given does not count; the message says why."""


class Owners:
    """Verifies what holders of the role that owns an automation have said of one of its runs."""

    def __init__(
        self,
        starts: Starts,
        inbox: Inbox,
        decided: Decided,
        authority: Authority,
        clock: Clock,
        deployment: Deployment,
        owner_roles: OwnerRoles,
    ) -> None:
        self._starts, self._inbox, self._decided = starts, inbox, decided
        self._authority, self._clock, self._deployment = authority, clock, deployment
        self._owner_roles = owner_roles

    async def verified(
        self, run: RunKey, decision: Decision, kind: RequestKind, action_digest: str | None = None
    ) -> Circumstances:
        """What `decision` was held against: it answers a request of this kind, and is its author's to make.

        `action_digest`: what it must be about; None: whatever that request is about. Raises DoesNotCount, and
        NothingInForce while nothing is in force to verify it by.
        """
        start = await self._starts.find(run)
        if start is None:
            raise DoesNotCount("this run has no start record")
        request = await self._request(run, start, decision, kind)
        asked = request.action_digest if request else ""
        about = Circumstances(
            deployment=self._deployment,
            roster=await self._authority.roster(),
            grants=await self._authority.break_glass(),
            run=run,
            start=start.start,
            request=request,
            action_digest=asked if action_digest is None else action_digest,
            now=await self._clock.now(),
        )
        taken_at = await self._decided.taken_at(decision)
        if problem := problem_with(decision, replace(about, taken_at=taken_at)):
            raise DoesNotCount(problem.sentence)
        return about

    async def used(self, decision: Decision, about: Circumstances) -> str:
        """Use the nonce of a decision that was verified; the subject who made it. Raises DoesNotCount."""
        approver = approver_of(decision, about.roster)
        if not await self._decided.use(decision, approver, about.now):
            raise DoesNotCount("its nonce was used before")
        return approver

    async def _request(
        self, run: RunKey, start: StartRecord, decision: Decision, kind: RequestKind
    ) -> InboxEntry | None:
        """The request that it answers, if that asked just this; who may answer it is not for the run to say."""
        request = await self._inbox.find(decision.approval_id, run.first_run_id)
        if request is None or request.kind is not kind:
            return None
        role = self._owner_roles.get(start.start.automation)
        if role is None:
            raise DoesNotCount(f"this worker does not know the automation {start.start.automation!r}")
        owner = Obligation(role=role, within=DEFAULT_ESCALATION_WITHIN, rule_id="escalation")
        as_known: dict[str, object] = {"automation": start.start.automation, "obligations": (owner,), "hand_ons": {}}
        if (request.outcome, request.by) == (decision.verdict.value, decision.approver):
            # Closed by this answer, which is still to take effect.
            as_known["closed_at"] = None
        return request.model_copy(update=as_known)
