"""Rule on a prepared call: the policy in force, asked about exactly these bytes, with what the gate knows by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.deadlines import earliest, hand_ons, within
from activities.decided import Decided
from activities.evidence import SKEW, Circumstances, approver_of, problem_with
from activities.inbox import Inbox, InboxEntry
from activities.plans import Plans
from activities.preparing import Prepared, Refused
from activities.quorum import MAX_PEOPLE, tally
from activities.sending import Permission, spending_of
from activities.taints import Taints
from activities.totals import CannotReserve, Totals
from contracts.canonical import digest
from contracts.decisions import Decision, RequestKind
from contracts.deployment import Deployment, Mode
from contracts.model import Moment
from contracts.policy import Ruling, RulingEffect
from contracts.roster import Roster
from contracts.tools import Share
from policies.calendars import Calendar, CalendarUnusable, load_calendars
from policies.document import CALENDARS
from policies.engine import PolicyEngine, PolicyQuestion
from policies.totals import CannotTotal

Calendars = Mapping[str, Calendar]


@dataclass(frozen=True)
class _InForce:
    """What is in force at this moment."""

    policy: PolicyEngine
    roster: Roster
    now: Moment


class Rulings:
    """The part of the gate that asks policy."""

    def __init__(
        self,
        authority: Authority,
        inbox: Inbox,
        decided: Decided,
        totals: Totals,
        taints: Taints,
        plans: Plans,
        clock: Clock,
        deployment: Deployment,
    ) -> None:
        self._authority, self._inbox, self._decided = authority, inbox, decided
        self._totals, self._taints, self._plans = totals, taints, plans
        self._clock, self._deployment = clock, deployment
        self._known: tuple[Roster, str] = (Roster(), "")

    async def rule(self, prepared: Prepared, *, spending: bool) -> Permission:
        """The ruling, with the decisions that count for it. Raises Refused when there is nothing to rule by.

        `spending`: the call is about to be made, so what it adds to running totals is reserved once it is permitted.
        That is released only with an ending without effect: of attempts at one call, none takes away what another
        is about to send.
        """
        try:
            in_force = _InForce(*await self._authority.rules_and_roster(), await self._clock.now())
        except NothingInForce as nothing:
            raise Refused(str(nothing)) from nothing
        question = await self._question(prepared, in_force)
        shares = self._shares(in_force, question)
        question = question.model_copy(update={"totals": await self._totals.peek(spending_of(prepared), shares)})
        ruling, evidence = await self._ruling(prepared, in_force, question)
        if spending and shares and ruling.effect is RulingEffect.PERMIT:
            reached = await self._reserved(prepared, in_force, shares)
            if reached != question.totals:  # a rival was faster
                question = question.model_copy(update={"totals": reached})
                ruling, evidence = await self._ruling(prepared, in_force, question)
        hint = ruling.allowing_rule if self._deployment.mode is Mode.DEVELOPMENT else ""
        known = {"action_digest": prepared.action_digest, "allowing_rule": hint, "totals": question.totals}
        return Permission(
            ruling=ruling.model_copy(update=known),
            roster_digest=self._digest_of(in_force.roster),
            evidence=tuple(each.nonce or each.statement_digest() for each in evidence),
        )

    def _digest_of(self, roster: Roster) -> str:
        """Empty for an empty one; made anew only once another one is in force."""
        if self._known[0] is not roster:
            self._known = (roster, digest(roster) if roster.people else "")
        return self._known[1]

    async def _question(self, prepared: Prepared, in_force: _InForce) -> PolicyQuestion:
        start, definition = prepared.start.start, prepared.definition
        return PolicyQuestion(
            requester=in_force.roster.subject_of(start.requester),
            roles=in_force.roster.roles_of(start.requester, in_force.now),
            on_behalf_of=start.on_behalf_of,
            automation=start.automation,
            inside=tuple(each.automation for each in start.inside),
            request=prepared.start.request,
            server=prepared.call.server,
            tool=prepared.call.tool,
            kind=definition.kind,
            purpose=prepared.call.purpose,
            effect_class=definition.effect_class,
            risk=definition.risk,
            sends_out=definition.sends_out,
            taint=tuple(sorted(await self._taints.of(prepared.run))),
            undoes_recorded_effect=prepared.undoes_recorded_effect,
            arguments=prepared.action.arguments,
            input_schema=definition.input_schema,
        )

    async def _ruling(
        self, prepared: Prepared, in_force: _InForce, question: PolicyQuestion
    ) -> tuple[Ruling, tuple[Decision, ...]]:
        ruling = in_force.policy.rule(question)
        if ruling.effect is RulingEffect.NEEDS_APPROVAL and prepared.call.evidence:
            return await self._with_evidence(prepared, in_force, question, ruling)
        return ruling, ()

    def _shares(self, in_force: _InForce, question: PolicyQuestion) -> tuple[Share, ...]:
        """What this call adds to running totals."""
        try:
            return in_force.policy.shares(question, in_force.now)
        except CannotTotal as cannot:
            raise Refused(str(cannot)) from cannot

    async def _reserved(self, prepared: Prepared, in_force: _InForce, shares: tuple[Share, ...]) -> dict[str, int]:
        """What each running total comes to with this call, which counts from now on."""
        try:
            return await self._totals.reserve(spending_of(prepared), shares, in_force.now)
        except CannotReserve as cannot:
            raise Refused(str(cannot)) from cannot

    async def _with_evidence(
        self, prepared: Prepared, in_force: _InForce, question: PolicyQuestion, demanded: Ruling
    ) -> tuple[Ruling, tuple[Decision, ...]]:
        """The ruling with the people whose approval of exactly this action, or of a plan with it, verifies now."""
        counting: list[Decision] = []
        problems: list[str] = []
        about = await self._circumstances(prepared, in_force, demanded)
        for decision in prepared.call.evidence[:MAX_PEOPLE]:
            taken_at = await self._decided.taken_at(decision)
            if problem := problem_with(decision, replace(about, taken_at=taken_at)):
                problems.append(f"the decision of {decision.approver!r} does not count: {problem.sentence}")
            elif taken_at is None and not await self._used(decision, in_force):
                problems.append(f"the decision of {decision.approver!r} does not count: its nonce was used before")
            else:
                counting.append(decision)
        approvals = tally(tuple(counting), about)
        ruling = in_force.policy.rule(question.model_copy(update={"approvals": approvals}))
        if ruling.effect is RulingEffect.NEEDS_APPROVAL:
            ruling = demanded  # all of it: people are asked anew, and what they sign stands alone
        if ruling.effect is not RulingEffect.PERMIT and problems:
            ruling = ruling.model_copy(update={"reason": f"{problems[0]}; {ruling.reason}"[:400]})
        return ruling, tuple(counting)

    async def _used(self, decision: Decision, in_force: _InForce) -> bool:
        return await self._decided.use(decision, approver_of(decision, in_force.roster), in_force.now)

    async def _circumstances(self, prepared: Prepared, in_force: _InForce, demanded: Ruling) -> Circumstances:
        """All evidence of a call answers one request of this run; it is held against what policy demands today."""
        request = await self._inbox.find(prepared.call.evidence[0].approval_id, prepared.run.first_run_id)
        closes_at = None
        if request is not None and request.kind is not RequestKind.APPROVAL:
            request = None  # whoever answered it was not shown what is to be done
        if request is not None:
            calendars = _calendars(in_force.policy)
            closes_at = earliest(demanded.obligations, within, request.opened_at, calendars)
            request = _as_policy_has_it(request, prepared.start.start.automation, demanded, calendars)
        return Circumstances(
            deployment=self._deployment,
            roster=in_force.roster,
            grants=await self._authority.break_glass(),
            run=prepared.run,
            start=prepared.start.start,
            request=request,
            action_digest=await self._plans.approved_as(prepared),
            now=in_force.now,
            closes_at=closes_at,
        )


def _calendars(policy: PolicyEngine) -> Calendars:
    """Those of the policy in force, which names no other ones. Raises Refused."""
    try:
        return load_calendars(policy.files.get(CALENDARS, ""))
    except CalendarUnusable as unusable:
        raise Refused(str(unusable)) from unusable


def _as_policy_has_it(request: InboxEntry, automation: str, demanded: Ruling, calendars: Calendars) -> InboxEntry:
    """The request without what only its caller says of it: it is one of this automation, for as many people as are
    demanded today, and each rule is handed on when policy says so, counted from when the gate saw it opened.
    """
    due = hand_ons(demanded.obligations, request.opened_at, calendars)
    early = {rule_id: moment - SKEW for rule_id, moment in due.items()}  # clocks differ
    told = request.handed_on_at
    handed_on_at = told if told is not None and early and told >= min(early.values()) else None
    return request.model_copy(
        update={
            "automation": automation,
            "obligations": demanded.obligations,
            "handed_on_at": handed_on_at,
            "hand_ons": early,
        }
    )
