"""What changes between a signed decision and its effect stops the effect, and says in words what has changed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from activities.authority import NothingInForce
from activities.deciding import DecisionActivities
from activities.inbox import Passing
from activities.totals import Spending
from contracts.decisions import Check, Decision, DecisionsToCheck, RequestEvent
from contracts.roster import Absence, Delegation, Roster
from contracts.tools import CallStatus, EffectClass, Share, ToolCall, ToolOutcome
from policies.engine import CedarRules
from tests.activities.bench import NINE, OURS, PRODUCTION, RUN, Bench, a_bench
from tests.authority import FAR_OFF, LONG_AGO, Signer, roster_of
from tests.doubles import RecordingToolbox
from workers.settings import REPOSITORY

FINANCE = ("finance_manager",)
CREDIT = "payments.issue_credit"
ARGUMENTS: dict[str, JsonValue] = {"order_id": "A-17", "customer_id": "C-7", "cents": 64_000}
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "customer_id": {"type": "string"}, "cents": {"type": "integer"}},
    "required": ["order_id", "cents"],
}
DANA, DINA, ERIK = Signer("dana", FINANCE), Signer("dina"), Signer("erik", FINANCE)
NO_MORE = "the decision of 'dana' does not count: "
ANOTHER_ACTION = (
    f"{NO_MORE}it is for another action than this: an argument, the tool or the step has changed; "
    "read the request again; people must approve: 1 as finance_manager"
)


def everybody(**changes: Any) -> Roster:
    """Dana and Erik of finance, and Dina, whom Erik has lent his role for half an hour."""
    until = NINE + timedelta(minutes=30)
    lent = Delegation(
        delegator="erik", delegate="dina", roles=FINANCE, valid_from=LONG_AGO, valid_until=until, reason="holidays"
    )
    return roster_of(DANA, DINA, ERIK, **({"delegations": (lent,)} | changes))


def with_dana(**changes: Any) -> Roster:
    """As everybody, with something else said of Dana."""
    standing = everybody()
    people = tuple(DANA.person(**changes) if each.subject == "dana" else each for each in standing.people)
    return standing.model_copy(update={"people": people})


@dataclass
class Settled:
    """A credit that somebody has signed for in production, and that was not sent yet."""

    bench: Bench
    toolbox: RecordingToolbox
    decision: Decision
    arguments: dict[str, JsonValue] = field(default_factory=lambda: dict(ARGUMENTS))
    more: dict[str, Any] = field(default_factory=dict)

    async def sent(self) -> ToolOutcome:
        """What the gate does with it now."""
        call = asked(arguments=self.arguments, evidence=(self.decision,), **self.more)
        return await self.bench.environment().run(self.bench.gate().call_tool, call)


def asked(**more: Any) -> ToolCall:
    """The credit of 640.00."""
    words = {"server": "payments", "tool": "issue_credit", "step": CREDIT, "arguments": ARGUMENTS}
    return ToolCall.model_validate(words | more)


async def signed_by(bench: Bench, toolbox: RecordingToolbox, signer: Signer) -> Settled:
    """The decision was checked when it arrived, and counts."""
    bench.authority.people = everybody()
    (definition,) = await toolbox.definitions("payments")
    bench.authority.accept(definition)
    unsigned = bench.decision((await bench.rule(asked())).action_digest)
    await bench.asks_for(unsigned)
    settled = Settled(bench, toolbox, signer.signed(unsigned))
    arrived = DecisionsToCheck(arrived=(settled.decision,))
    activity = bench.bound(DecisionActivities).check_decisions
    (answer,) = (await bench.environment().run(activity, arrived)).checked
    assert (answer.counts, answer.fulfilled) == (True, True)
    return settled


@pytest.fixture
async def bench() -> AsyncIterator[tuple[Bench, RecordingToolbox]]:
    """A production deployment in which Rita has asked for a refund."""
    toolbox = RecordingToolbox({CREDIT: {"credit": "C-1"}}, {CREDIT: EffectClass.KEYED}, {CREDIT: SCHEMA})
    async with a_bench(toolbox, policy=OURS, deployment=PRODUCTION) as opened:
        yield opened, toolbox


@pytest.mark.parametrize("signer", [DANA, DINA], ids=lambda signer: str(signer.subject))
async def test_when_nothing_has_changed_the_credit_is_issued_once(
    bench: tuple[Bench, RecordingToolbox], signer: Signer
) -> None:
    settled = await signed_by(*bench, signer)
    outcomes = [await settled.sent(), await settled.sent()]
    assert [outcome.status for outcome in outcomes] == [CallStatus.DONE, CallStatus.DONE]
    assert settled.toolbox.called == [CREDIT]


# What may change, and what is said of it.


def argument(**changes: JsonValue) -> Callable[[Settled], None]:
    """Another value is about to be sent."""
    return lambda settled: settled.arguments.update(changes)


def told(**more: Any) -> Callable[[Settled], None]:
    """Something else about the call is different."""
    return lambda settled: settled.more.update(more)


def people(roster: Callable[[], Roster]) -> Callable[[Settled], None]:
    """Another roster is in force."""

    def change(settled: Settled) -> None:
        settled.bench.authority.people = roster()

    return change


def rules(text: str) -> Callable[[Settled], None]:
    """Our rules are in force, and these."""

    def change(settled: Settled) -> None:
        folder = REPOSITORY / "policies"
        files = {path.name: path.read_text() for path in (*folder.glob("*.cedar"), folder / "totals.toml")}
        settled.bench.policy = CedarRules(files | {"since.cedar": text})

    return change


def clock(**passed: float) -> Callable[[Settled], None]:
    """Time goes by."""
    return lambda settled: settled.bench.clock.forward(timedelta(**passed))


def schema(settled: Settled) -> None:
    """The server publishes another schema."""
    settled.toolbox.schemas = {CREDIT: SCHEMA | {"description": "cents are euros from now on"}}


async def schema_that_was_accepted(settled: Settled) -> None:
    """And an operator has pinned it."""
    schema(settled)
    (definition,) = await settled.toolbox.definitions("payments")
    settled.bench.authority.accept(definition)


def no_pins(settled: Settled) -> None:
    """No pins are in force."""
    settled.bench.authority.pins.clear()


def nothing_in_force(settled: Settled) -> None:
    """Neither rules nor roster are in force."""
    settled.bench.authority.missing = NothingInForce("no roster is in force; run `interlock approvers apply`")


async def closed(settled: Settled) -> None:
    """The request was closed without an approval: nobody decided in time, as the run saw it."""
    request = await settled.bench.store.inbox.find(settled.decision.approval_id)
    assert request is not None
    await settled.bench.store.inbox.close(request, "expired", "", NINE)


def shown_otherwise(settled: Settled) -> None:
    """The decision answers what was shown for another request."""
    unsigned = settled.decision.model_copy(update={"display_digest": "sha256:" + "0" * 64})
    settled.decision = DANA.signed(unsigned)


async def other_credits(settled: Settled) -> None:
    """Others of Rita's credits have been issued since: 950.00 today."""
    of = '{"day": "2026-11-20", "requester": "rita"}'
    share = Share(total="credits_of_requester_today", of=of, amount=95_000)
    another = Spending(key="another", action_digest="sha256:another", run=RUN)
    await settled.bench.store.totals.reserve(another, (share,), NINE)


def lasting_until_the_deadline(settled: Settled) -> None:
    """Dana's decision counts for as long as the request; that is over by now."""
    unsigned = settled.decision.model_copy(update={"expires_at": NINE + timedelta(days=2)})
    settled.decision = DANA.signed(unsigned)
    settled.bench.clock.forward(timedelta(days=2))


def revoked() -> Roster:
    """Dana's key was revoked."""
    key = DANA.person().keys[0].model_copy(update={"revoked_at": NINE + timedelta(minutes=5)})
    return with_dana(keys=(key,))


TWO_SIGN = """
@id("two-sign-since-today") @approve("finance_manager") @quorum("2") @within("PT24H")
forbid(principal, action == Action::"payments.issue_credit", resource)
  unless { context.approvals has finance_manager && context.approvals.finance_manager >= 2 };
"""
ANOTHER_ROLE = TWO_SIGN.replace("finance_manager", "risk_officer").replace("2", "1")
NO_CREDITS = '@id("no-credits-today") forbid(principal, action == Action::"payments.issue_credit", resource);'
STATUS = {"needs": CallStatus.NEEDS_APPROVAL, "forbidden": CallStatus.FORBIDDEN, "refused": CallStatus.REFUSED}
Change = Callable[[Settled], Awaitable[None] | None]
CHANGES: dict[str, tuple[Change, str, str]] = {
    "the amount": (argument(cents=64_001), "needs", ANOTHER_ACTION),
    "a smaller amount": (argument(cents=63_999), "needs", ANOTHER_ACTION),
    "the order": (argument(order_id="A-18"), "forbidden", "forbidden by refund-as-asked"),
    "the customer": (argument(customer_id="C-8"), "needs", ANOTHER_ACTION),
    "an argument more": (argument(currency="USD"), "needs", ANOTHER_ACTION),
    "the occurrence": (told(occurrence="2"), "needs", ANOTHER_ACTION),
    "the step": (told(step="another"), "needs", ANOTHER_ACTION),
    "the tool's schema": (schema, "refused", "payments.issue_credit has changed since it was accepted: "),
    "the tool's schema, accepted": (schema_that_was_accepted, "needs", ANOTHER_ACTION),
    "no pins": (no_pins, "refused", "payments.issue_credit was never accepted; an operator must pin it"),
    "no roster": (nothing_in_force, "refused", "no roster is in force; run `interlock approvers apply`"),
    "policy demands two": (rules(TWO_SIGN), "needs", "people must approve: 2 as finance_manager"),
    "policy demands another role": (
        rules(ANOTHER_ROLE),
        "needs",
        "people must approve: 1 as finance_manager, 1 as risk_officer",
    ),
    "policy forbids": (rules(NO_CREDITS), "forbidden", "forbidden by no-credits-today"),
    "the day's sum": (other_credits, "needs", "people must approve: 2 as finance_manager"),
    "the role was taken away": (
        people(lambda: with_dana(roles=())),
        "needs",
        f"{NO_MORE}'dana' holds no role and cannot decide as finance_manager",
    ),
    "the person has left": (
        people(lambda: with_dana(valid_until=NINE)),
        "needs",
        f"{NO_MORE}'dana' was entitled until 2026-11-20",
    ),
    "the person is in nobody's roster": (
        people(lambda: roster_of(ERIK)),
        "needs",
        f"{NO_MORE}key {DANA.key_id!r} is in nobody's name",
    ),
    "the key was revoked": (
        people(revoked),
        "needs",
        f"{NO_MORE}key {DANA.key_id} was revoked at 2026-11-20 09:05:00 UTC",
    ),
    "the person owns the automation": (
        people(lambda: everybody(owners={"refund": ("dana",)})),
        "needs",
        f"{NO_MORE}'dana' owns the automation 'refund' and may not approve what it does",
    ),
    "the decision is over": (clock(hours=1), "needs", f"{NO_MORE}it expired at 2026-11-20 10:00:00 UTC; decide again"),
    "the request is over": (
        lasting_until_the_deadline,
        "needs",
        f"{NO_MORE}it expired at 2026-11-22 09:00:00 UTC; decide again",
    ),
    "the request was closed": (
        closed,
        "needs",
        f"{NO_MORE}refund/A-17#1 was expired; nothing can be decided by it any more",
    ),
    "something else was shown": (
        shown_otherwise,
        "needs",
        f"{NO_MORE}it is for a request that was shown otherwise; read it again",
    ),
}


@pytest.mark.parametrize(("change", "status", "said"), CHANGES.values(), ids=CHANGES)
async def test_what_changed_since_the_decision_stops_the_effect_and_is_said(
    bench: tuple[Bench, RecordingToolbox], change: Change, status: str, said: str
) -> None:
    settled = await signed_by(*bench, DANA)
    changing = change(settled)
    if changing is not None:
        await changing
    outcome = await settled.sent()
    assert (outcome.status, settled.toolbox.called) == (STATUS[status], [])
    assert said in outcome.message
    if outcome.ruling is not None:
        assert outcome.message == outcome.ruling.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (clock(minutes=30), "'dina' holds no role and cannot decide as finance_manager"),
        (people(lambda: everybody(delegations=())), "'dina' holds no role and cannot decide as finance_manager"),
        (people(lambda: everybody(owners={"refund": ("erik",)})), "'dina' holds finance_manager only from 'erik'"),
    ],
    ids=["it is over", "it was taken back", "whoever lent it is excluded"],
)
async def test_a_lent_role_that_is_gone_stops_the_effect_and_is_said(
    bench: tuple[Bench, RecordingToolbox], change: Callable[[Settled], None], said: str
) -> None:
    settled = await signed_by(*bench, DINA)
    change(settled)
    outcome = await settled.sent()
    assert (outcome.status, settled.toolbox.called) == (CallStatus.NEEDS_APPROVAL, [])
    assert outcome.message.startswith(f"the decision of 'dina' does not count: {said}")


HANDS_ON = """
@id("hands-on") @approve("finance_director") @quorum("1") @within("PT48H") @hand_on("PT36H") @hand_on_to("board")
forbid(principal, action == Action::"payments.issue_credit", resource)
  unless { context.approvals has finance_director && context.approvals.finance_director >= 1 };
@id("anybody") permit(principal, action, resource);
"""
BEA = Signer("bea", ("board",))


TWO_RULES = """
@id("may") permit(principal, action, resource);
@id("money") @approve("finance_manager") @quorum("1") @within("PT48H") @hand_on("PT2H") @hand_on_to("director")
forbid(principal, action, resource)
  unless { context.approvals has finance_manager && context.approvals.finance_manager >= 1 };
@id("risk") @approve("risk_officer") @quorum("1") @within("PT48H") @hand_on("PT40H") @hand_on_to("board")
forbid(principal, action, resource)
  unless { context.approvals has risk_officer && context.approvals.risk_officer >= 1 };
"""


@pytest.mark.parametrize(
    ("handed_on_after", "counts"),
    [(timedelta(0), False), (timedelta(hours=35, minutes=58), False), (timedelta(hours=36), True), (None, False)],
    ids=str,
)
async def test_the_next_role_counts_only_once_policy_hands_the_request_on(
    bench: tuple[Bench, RecordingToolbox], handed_on_after: timedelta | None, counts: bool
) -> None:
    """Whatever the run that asked has said about it, and when."""
    opened, toolbox = bench
    opened.policy = CedarRules({"rules.cedar": HANDS_ON})
    opened.authority.people = roster_of(BEA)
    (definition,) = await toolbox.definitions("payments")
    opened.authority.accept(definition)
    unsigned = opened.decision((await opened.rule(asked())).action_digest)
    entry = await opened.asks_for(unsigned)
    if handed_on_after is not None:
        await opened.store.inbox.pass_on(entry, Passing(event=RequestEvent.HANDED_ON, at=NINE + handed_on_after))
    opened.clock.forward(timedelta(hours=36, minutes=5))
    late = unsigned.model_copy(update={"issued_at": opened.clock.at, "expires_at": NINE + timedelta(hours=40)})
    settled = Settled(opened, toolbox, BEA.signed(late))
    outcome = await settled.sent()
    if counts:
        assert outcome.status is CallStatus.DONE
    else:
        assert "'bea' may decide as board once the request is handed on, not before" in outcome.message
        assert (outcome.status, toolbox.called) == (CallStatus.NEEDS_APPROVAL, [])


@pytest.mark.parametrize(("later", "counts"), [(timedelta(hours=47), True), (timedelta(hours=48), False)], ids=str)
async def test_no_request_counts_longer_than_policy_gives_people(
    bench: tuple[Bench, RecordingToolbox], later: timedelta, counts: bool
) -> None:
    """The run that asked has given them a year."""
    opened, toolbox = bench
    a_year = NINE + timedelta(days=365)
    opened.authority.people = everybody()
    (definition,) = await toolbox.definitions("payments")
    opened.authority.accept(definition)
    unsigned = opened.decision((await opened.rule(asked())).action_digest)
    await opened.asks_for(unsigned, deadline=a_year)
    settled = Settled(opened, toolbox, DANA.signed(unsigned.model_copy(update={"expires_at": a_year})))
    opened.clock.forward(later)
    outcome = await settled.sent()
    assert (outcome.status is CallStatus.DONE) is counts
    if not counts:
        assert f"{NO_MORE}it expired at 2026-11-22 09:00:00 UTC; decide again" in outcome.message


async def test_each_rule_is_handed_on_in_its_own_time(bench: tuple[Bench, RecordingToolbox]) -> None:
    """The request is handed on after two hours for one rule; the board takes the other one's place after forty."""
    opened, toolbox = bench
    opened.policy = CedarRules({"rules": TWO_RULES})
    bo = Signer("bo", ("board",))
    opened.authority.people = roster_of(DANA, bo)
    (definition,) = await toolbox.definitions("payments")
    opened.authority.accept(definition)
    unsigned = opened.decision((await opened.rule(asked())).action_digest, expires_at=NINE + timedelta(hours=47))
    entry = await opened.asks_for(unsigned)
    await opened.store.inbox.pass_on(entry, Passing(event=RequestEvent.HANDED_ON, at=NINE + timedelta(hours=2)))
    statuses = []
    for hours in (3, 41):
        opened.clock.at = NINE + timedelta(hours=hours)
        evidence = tuple(each.signed(unsigned, issued_at=opened.clock.at) for each in (DANA, bo))
        call = asked(evidence=evidence)
        statuses.append((await opened.environment().run(opened.gate().call_tool, call)).status)
    assert statuses == [CallStatus.NEEDS_APPROVAL, CallStatus.DONE]


async def test_who_is_away_cannot_date_a_decision_back(bench: tuple[Bench, RecordingToolbox]) -> None:
    opened, toolbox = bench
    away = Absence(subject="dana", valid_from=NINE + timedelta(hours=1), valid_until=FAR_OFF)
    opened.authority.people = everybody(absences=(away,))
    (definition,) = await toolbox.definitions("payments")
    opened.authority.accept(definition)
    unsigned = opened.decision((await opened.rule(asked())).action_digest, expires_at=NINE + timedelta(days=2))
    await opened.asks_for(unsigned)
    opened.clock.forward(timedelta(hours=30))
    dated_back = DANA.signed(unsigned.model_copy(update={"issued_at": NINE + timedelta(minutes=1)}))
    arrived = DecisionsToCheck(arrived=(dated_back,))
    (answer,) = (await opened.environment().run(opened.bound(DecisionActivities).check_decisions, arrived)).checked
    outcome = await Settled(opened, toolbox, dated_back).sent()
    assert (answer.counts, answer.check) == (False, Check.ABSENT)
    assert outcome.status is CallStatus.NEEDS_APPROVAL
    assert "'dana' is recorded as absent" in outcome.message


async def test_who_went_on_holiday_after_deciding_has_decided(bench: tuple[Bench, RecordingToolbox]) -> None:
    settled = await signed_by(*bench, DANA)
    away = Absence(subject="dana", valid_from=NINE + timedelta(minutes=1), valid_until=FAR_OFF)
    settled.bench.authority.people = everybody(absences=(away,))
    settled.bench.clock.forward(timedelta(minutes=2))
    assert (await settled.sent()).status is CallStatus.DONE
