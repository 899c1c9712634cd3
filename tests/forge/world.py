"""The world that is forged against: a production deployment, its people with real keys, and a run that asks for two."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

from activities.deciding import DecisionActivities
from activities.inbox import InboxEntry, StartRecord
from contracts.canonical import digest
from contracts.decisions import APPROVAL_VERDICTS, CheckedDecision, Decision, DecisionsToCheck, RequestKind, Verdict
from contracts.policy import Obligation
from contracts.roster import Absence, Delegation, Roster
from contracts.runs import StartStatement
from contracts.signing import key_id_of, public_half
from contracts.tools import EffectClass, ToolCall, ToolOutcome
from tests.activities.bench import NINE, OURS, PRODUCTION, RUN, Bench
from tests.authority import FAR_OFF, LONG_AGO, FixedAuthority, Signer
from tests.doubles import RecordingToolbox, ScriptedClaude
from tests.stores import new_store
from workers.resources.store import Store

FINANCE = ("finance_manager",)
TWO_SIGN: dict[str, Any] = {"order_id": "A-17", "customer_id": "C-7", "cents": 200_000}
"""A credit that two finance managers must sign."""
CREDIT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "customer_id": {"type": "string"}, "cents": {"type": "integer"}},
    "required": ["order_id", "cents"],
}
CAP = 100
"""More than the approvals that one world sees of anybody at the gate, where each uses its nonce, counted or not."""


@dataclass
class FixedRun:
    """Serves one run, as Temporal would say."""

    async def key(self) -> Any:
        """Which run."""
        return RUN


@dataclass
class People:
    """Everybody; each of them is a finance manager, unless something else is said, and lacks exactly one thing."""

    rita: Signer = field(default_factory=lambda: Signer("rita", FINANCE))
    """Asked for the run, through the service `desk`, on behalf of `nora`."""
    desk: Signer = field(default_factory=lambda: Signer("desk", FINANCE, service=True))
    nora: Signer = field(default_factory=lambda: Signer("nora", FINANCE))
    dana: Signer = field(default_factory=lambda: Signer("dana", FINANCE))
    dana_again: Signer = field(default_factory=lambda: Signer("dana", FINANCE))
    """A second key of the same person."""
    erik: Signer = field(default_factory=lambda: Signer("erik", FINANCE))
    olga: Signer = field(default_factory=lambda: Signer("olga", FINANCE))
    """Owns the automation."""
    lena: Signer = field(default_factory=lambda: Signer("lena", ("support_lead",)))
    dina: Signer = field(default_factory=lambda: Signer("dina"))
    """Has the role from rita, who asked."""
    maxi: Signer = field(default_factory=lambda: Signer("maxi"))
    """Has the role from dana."""
    edda: Signer = field(default_factory=lambda: Signer("edda"))
    """Had the role from dana, until yesterday."""
    abel: Signer = field(default_factory=lambda: Signer("abel", FINANCE))
    """Away."""
    piet: Signer = field(default_factory=lambda: Signer("piet", FINANCE))
    """Has left."""
    kims: tuple[Signer, ...] = field(default_factory=lambda: tuple(Signer("kim", FINANCE) for _ in range(3)))
    """One person: a revoked key, one that is over, one that has not begun."""
    bea: Signer = field(default_factory=lambda: Signer("bea", break_glass=FINANCE))
    tom: Signer = field(default_factory=lambda: Signer("tom", FINANCE))
    """Has decided as often as anybody may in an hour."""
    mallory: Signer = field(default_factory=lambda: Signer("mallory", FINANCE))
    """Nobody of the roster."""

    def roster(self, at: datetime = NINE) -> Roster:
        """As it is in force at this moment."""
        lent = {"roles": FINANCE, "reason": "holidays", "valid_from": LONG_AGO}
        plain = (self.rita, self.desk, self.nora, self.erik, self.olga, self.lena, self.dina, self.maxi, self.edda)
        dana = self.dana.person()
        kims = self.kims[0].person()
        keys = [signer.person().keys[0] for signer in self.kims]
        keys[0] = keys[0].model_copy(update={"revoked_at": at - timedelta(days=1)})
        keys[1] = keys[1].model_copy(update={"valid_until": at - timedelta(days=1)})
        keys[2] = keys[2].model_copy(update={"valid_from": at + timedelta(days=1)})
        return Roster(
            people=(
                *(signer.person() for signer in (*plain, self.abel, self.bea, self.tom)),
                dana.model_copy(update={"keys": (*dana.keys, *self.dana_again.person().keys)}),
                self.piet.person(valid_until=at - timedelta(days=1)),
                kims.model_copy(update={"keys": tuple(keys)}),
            ),
            delegations=(
                Delegation(delegator="rita", delegate="dina", valid_until=FAR_OFF, **lent),
                Delegation(delegator="dana", delegate="maxi", valid_until=FAR_OFF, **lent),
                Delegation(delegator="dana", delegate="edda", valid_until=at - timedelta(days=1), **lent),
            ),
            absences=(Absence(subject="abel", valid_from=LONG_AGO, valid_until=FAR_OFF),),
            owners={"refund": ("olga",)},
            decisions_per_hour=CAP,
        )


@dataclass
class Scene:
    """What a forger sees: the people, the run, and what is genuine."""

    people: People
    store: Store
    authority: FixedAuthority
    run_id: str
    asked_at: datetime
    now: datetime
    genuine: dict[str, Decision]
    """The decisions that count: by `dana` and by `erik`."""

    @property
    def template(self) -> Decision:
        """An unsigned decision in which everything is right."""
        return self.genuine["dana"].model_copy(update={"key_id": None, "nonce": None, "signature": None})


@dataclass
class World(Scene):
    """The scene with the activity that checks decisions, and the gate, in this process."""

    bench: Bench
    deciding: DecisionActivities

    def call(self, *evidence: Decision) -> ToolCall:
        """The credit that two must sign; the ledger knows it under one key, as it is never sent."""
        return CREDIT.model_copy(update={"evidence": evidence})

    async def check(self, forged: Decision, *counted: Decision) -> CheckedDecision:
        """What the activity says of it, beside approvals that count."""
        answer = await self.deciding.check_decisions(DecisionsToCheck(arrived=(forged,), counted=counted))
        return answer.checked[0]

    async def gate(self, *evidence: Decision) -> ToolOutcome:
        """What the gate does with it."""
        return await self.bench.environment().run(self.bench.gate().call_tool, self.call(*evidence))


CREDIT = ToolCall(server="payments", tool="issue_credit", arguments=TWO_SIGN, step="payments.issue_credit")


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    """A store of its own, in which the run has asked for two finance managers."""
    people = People()
    toolbox = RecordingToolbox(
        {"payments.issue_credit": {"credit": "C-1"}},
        classes={"payments.issue_credit": EffectClass.KEYED},
        schemas={"payments.issue_credit": CREDIT_SCHEMA},
    )
    with TemporaryDirectory() as folder:
        store = await asyncio.to_thread(Store.open, new_store(folder))
        try:
            yield await _begun(people, toolbox, store)
        finally:
            await asyncio.to_thread(store.close)


async def _begun(people: People, toolbox: RecordingToolbox, store: Store) -> World:
    await store.starts.register(_start(people), NINE)
    authority = FixedAuthority(OURS, people.roster())
    bench = Bench(store, toolbox, ScriptedClaude([[]]), policy=OURS, deployment=PRODUCTION, authority=authority)
    for definition in await toolbox.definitions("payments"):
        authority.accept(definition)
    ruling = await bench.rule(CREDIT)
    deciding = DecisionActivities(
        inbox=store.inbox,
        starts=store.starts,
        decided=store.decided,
        authority=authority,
        audit=store.audit,
        current=FixedRun(),  # type: ignore[arg-type]
        clock=bench.clock,
        deployment=PRODUCTION,
    )
    await _ask(store, ruling.action_digest)
    template = _decision(ruling.action_digest)
    genuine = {signer.subject: signer.signed(template) for signer in (people.dana, people.erik)}
    await tire(people.tom, store, template, NINE)
    return World(people, store, authority, RUN.workflow_id, NINE, NINE, genuine, bench, deciding)


def _start(people: People) -> StartRecord:
    statement = StartStatement(
        requester="rita",
        automation="refund",
        business_key="A-17",
        input_digest=digest({"order_id": "A-17"}),
        issued_at=NINE,
        deployment=PRODUCTION.id,
        workflow_id=RUN.workflow_id,
        on_behalf_of=("nora",),
    )
    return StartRecord(run=RUN, start=people.desk.starts(statement), request={"order_id": "A-17"})


async def _ask(store: Store, action_digest: str) -> None:
    """The request, one about something else, and one that is over."""
    open_one = entry_of(action_digest, 1)
    other = entry_of(digest(b"another action"), 2)
    rejected, expired = entry_of(action_digest, 3), entry_of(action_digest, 4)
    for entry in (open_one, other, rejected, expired):
        await store.inbox.open(entry)
    await store.inbox.close(rejected, "rejected", "erik", NINE)
    await store.inbox.close(expired, "expired", "", NINE)


def entry_of(action_digest: str, number: int) -> InboxEntry:
    """A request that two finance managers must approve within two days."""
    return InboxEntry(
        request_id=f"{RUN.workflow_id}#{number}",
        kind=RequestKind.APPROVAL,
        automation="refund",
        workflow_id=RUN.workflow_id,
        first_run_id=RUN.first_run_id,
        state="awaiting_approval",
        title="Credit 2000.00 EUR?",
        action_digest=action_digest,
        display_digest=digest(b"what people saw"),
        obligations=(Obligation(role=FINANCE[0], quorum=2, within=timedelta(days=2), rule_id="refund-over-1000"),),
        options=APPROVAL_VERDICTS,
        requester="rita",
        opened_at=NINE,
        deadline=NINE + timedelta(days=2),
    )


def _decision(action_digest: str) -> Decision:
    return Decision(
        deployment=PRODUCTION.id,
        namespace=PRODUCTION.namespace,
        workflow_id=RUN.workflow_id,
        first_run_id=RUN.first_run_id,
        approval_id=f"{RUN.workflow_id}#1",
        action_digest=action_digest,
        verdict=Verdict.APPROVE,
        approver="dana",
        issued_at=NINE,
        expires_at=NINE + timedelta(days=1),
        display_digest=digest(b"what people saw"),
    )


async def tire(signer: Signer, store: Store, template: Decision, at: datetime) -> None:
    """As many decisions of this person as anybody may make in an hour, on other runs."""
    for number in range(CAP):
        elsewhere = signer.signed(template, approval_id=f"refund/B-{number}#1", nonce=secrets.token_urlsafe(18))
        await store.decided.use(elsewhere, signer.subject, at)


def spare_key() -> tuple[str, str]:
    """Name and public half of a key that nobody has."""
    public = public_half(Signer("nobody").key)
    return key_id_of(public), public
