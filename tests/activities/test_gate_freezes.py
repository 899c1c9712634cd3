"""The stop button at the gate: what is frozen is not sent, whatever its class, until a thaw that counts."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.freezes import FROZEN
from activities.ledger import LedgerState
from activities.toolbox import OutcomeUnknown
from contracts.claude import TurnRequest
from contracts.deployment import Mode
from contracts.freezing import Freeze, FreezeScope, Thaw
from contracts.model import rfc3339
from contracts.roster import Roster
from contracts.servers import BreakerRule, ServerRules
from contracts.tools import CallStatus, EffectClass, Lookup, Purpose, ToolCall, Undoes
from tests.activities.bench import NINE, PRODUCTION, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox, ScriptedClaude, in_turn, says
from workers.resources.freezes import StoredFreezes
from workers.resources.store import Store

TOOL = "payments.issue_credit"
CREDIT = ToolCall(server="payments", tool="issue_credit", arguments={"cents": 4000}, step=TOOL)
UNDO = ToolCall(
    server="payments",
    tool="reverse_credit",
    arguments={"order_id": "A-17"},
    step="payments.reverse_credit",
    purpose=Purpose.COMPENSATION,
)
OLGA, OTTO = Signer("olga", ("operator",)), Signer("otto", ("operator",))
RITA, ROBOT = Signer("rita", ("finance_manager",)), Signer("robot", ("operator",), service=True)
EVA = Signer("eva", break_glass=("operator",))
ROSTER = roster_of(OLGA, OTTO, RITA, ROBOT, EVA)
COVERING = [
    (FreezeScope.ALL, ""),
    (FreezeScope.AUTOMATION, "refund"),
    (FreezeScope.SERVER, "payments"),
    (FreezeScope.TOOL, TOOL),
]
OTHERS = [
    (FreezeScope.AUTOMATION, "errand"),
    (FreezeScope.SERVER, "payment"),
    (FreezeScope.TOOL, "payments.reverse_credit"),
]


@asynccontextmanager
async def a_company(**more: Any) -> AsyncIterator[Bench]:
    """A bench in production, whose roster knows two operators."""
    toolbox = RecordingToolbox(
        {TOOL: {"credit": "C-1"}, "payments.reverse_credit": {"reversed": True}},
        classes={TOOL: EffectClass.KEYED, "payments.reverse_credit": EffectClass.KEYED},
        undoes={"payments.reverse_credit": Undoes(tool="issue_credit", same=("order_id",))},
    )
    async with a_bench(toolbox, deployment=PRODUCTION, **more) as bench:
        bench.authority.people = ROSTER
        await accept_all(bench)
        yield bench


async def accept_all(bench: Bench) -> None:
    """The tools of payments are pinned as they are."""
    for tool in await bench.toolbox.definitions("payments"):
        bench.authority.accept(tool)


async def freezes(bench: Bench, scope: FreezeScope = FreezeScope.ALL, target: str = "", **changes: Any) -> Freeze:
    """Olga presses the button."""
    freeze = OLGA.freezes(PRODUCTION.id, bench.clock.at, scope, target, **changes)
    assert await bench.store.freezes.freeze(freeze, (), bench.clock.at)
    return freeze


async def thaws(bench: Bench, thaw: Thaw, at: Any = None) -> None:
    """Somebody records a thaw, whatever it is worth, in the place of the one before."""
    recorded = {row.nonce: row.thaw for row in await bench.store.freezes.all()}
    assert await bench.store.freezes.thaw(thaw, recorded[thaw.freeze], (), at or bench.clock.at)


async def held(bench: Bench, call: ToolCall = CREDIT, attempt: int = 1) -> ApplicationError:
    """An attempt that sends nothing and that Temporal repeats."""
    before = list(bench.toolbox.called)
    environment = bench.environment()
    environment.info = dataclasses.replace(environment.info, attempt=attempt)
    with pytest.raises(ApplicationError) as raised:
        await environment.run(bench.gate().call_tool, call)
    assert (raised.value.type, raised.value.non_retryable) == (FROZEN, False)
    assert bench.toolbox.called == before
    return raised.value


async def test_what_is_frozen_is_not_sent_and_is_sent_once_after_the_thaw() -> None:
    async with a_company() as bench:
        for effect_class, (scope, target) in zip(EffectClass, cycle(COVERING), strict=False):
            bench.toolbox.classes = {TOOL: effect_class}
            await accept_all(bench)
            call = CREDIT.model_copy(update={"occurrence": f"{effect_class} {scope}"})
            freeze = await freezes(bench, scope, target)
            for _ in range(2):
                await held(bench, call)
            assert await bench.sends(call) == 0
            await thaws(bench, OTTO.thaws(freeze, NINE))
            first, again = await bench.call(call), await bench.call(call)
            assert first.status is CallStatus.DONE
            assert again == first
            assert await bench.sends(call) == 1
    assert bench.toolbox.called == [TOOL] * len(EffectClass)


async def test_a_freeze_of_something_else_stops_nothing() -> None:
    async with a_company() as bench:
        for scope, target in OTHERS:
            await freezes(bench, scope, target)
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_the_automation_is_that_of_the_start_record_whatever_the_workflow_is_called() -> None:
    async with a_company(automation="errand") as bench:  # its activities say `refund`
        await freezes(bench, FreezeScope.AUTOMATION, "refund")
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
        await freezes(bench, FreezeScope.AUTOMATION, "errand")
        await held(bench, CREDIT.model_copy(update={"occurrence": "2"}))


async def test_an_undo_is_stopped_too() -> None:
    credit = CREDIT.model_copy(update={"arguments": {"order_id": "A-17"}})
    async with a_company() as bench:
        await bench.call(credit)
        freeze = await freezes(bench, FreezeScope.SERVER, "payments")
        await held(bench, UNDO)
        await thaws(bench, OLGA.thaws(freeze, NINE))
        assert (await bench.call(UNDO)).status is CallStatus.DONE
    assert bench.toolbox.called == [TOOL, "payments.reverse_credit"]


async def test_what_was_answered_before_is_still_told_and_rulings_are_given() -> None:
    async with a_company() as bench:
        first = await bench.call(CREDIT)
        await freezes(bench)
        assert await bench.call(CREDIT) == first
        assert (await bench.rule(CREDIT.model_copy(update={"occurrence": "2"}))).effect == "permit"


async def test_a_freeze_of_everything_does_not_stop_claude_from_thinking() -> None:
    async with a_company(claude=ScriptedClaude([says("It was delivered.")])) as bench:
        await freezes(bench)
        turn = TurnRequest(
            conversation="assessing", turn=0, prompt="errand/thinking", state="thinking",
            variables={"goal": "Answer Dana.", "turns": "3"},
        )  # fmt: skip
        await bench.turn(turn)
    assert len(bench.claude.questions) == 1


async def test_a_held_attempt_leaves_no_more_than_the_claim_of_the_first() -> None:
    async with a_company() as bench:
        await freezes(bench)
        await held(bench)
        claimed, records = await bench.entry(CREDIT), bench.store.audit.heads_now()
        for _ in range(3):
            await held(bench)
        assert await bench.entry(CREDIT) == claimed
        assert bench.store.audit.heads_now() == records
    assert claimed is not None and (claimed.state, claimed.sends) == (LedgerState.CLAIMED, 0)


async def test_a_call_that_was_sent_before_and_never_answered_is_not_repeated_while_frozen() -> None:
    async with a_company() as bench:
        bench.toolbox.answers = {**bench.toolbox.answers, TOOL: OutcomeUnknown("reset")}
        with pytest.raises(ApplicationError, match="no answer"):
            await bench.call(CREDIT)
        sent = await bench.entry(CREDIT)
        await freezes(bench)
        await held(bench)
        assert await bench.entry(CREDIT) == sent


async def test_what_is_frozen_is_not_refused_because_its_server_is_down_or_changed_meanwhile() -> None:
    """An operator freezes a server, repairs it, accepts its new tools, and thaws it."""
    async with a_company() as bench:
        freeze = await freezes(bench, FreezeScope.SERVER, "payments")
        bench.toolbox.unreachable.add("payments")
        await held(bench)
        bench.toolbox.unreachable.clear()
        bench.toolbox.schemas = {TOOL: {"type": "object", "properties": {"cents": {"type": "integer"}}}}
        await held(bench)
        with pytest.raises(ApplicationError, match="held: the server"):
            await bench.rule(CREDIT)
        await accept_all(bench)
        await held(bench)
        await thaws(bench, OLGA.thaws(freeze, NINE))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_what_is_frozen_says_so_also_while_the_breaker_of_its_server_is_open() -> None:
    """Or the run would give up when its time is over, instead of waiting for the thaw."""
    async with a_company() as bench:
        bench.toolbox.said = {"payments": ServerRules(breaker=BreakerRule(window=1, failures=0))}
        bench.toolbox.unreachable.add("payments")
        with pytest.raises(ApplicationError, match="cannot be reached"):
            await bench.call(CREDIT)
        with pytest.raises(ApplicationError, match="its breaker is open"):
            await bench.call(CREDIT)
        await freezes(bench, FreezeScope.SERVER, "payments")
        await held(bench)


async def test_without_a_start_record_nothing_is_held_but_refused() -> None:
    async with a_company(registered=False) as bench:
        await freezes(bench)
        assert (await bench.call(CREDIT)).status is CallStatus.REFUSED


async def test_whoever_waits_is_told_what_is_frozen_by_whom_why_since_when_and_the_way_out() -> None:
    async with a_company() as bench:
        freeze = await freezes(bench, FreezeScope.SERVER, "payments")
        told = (await held(bench)).message
    assert told == (
        "held: the server 'payments' is frozen since 2026-11-20 09:00:00 UTC by 'olga': money leaves twice; "
        f"to go on: interlock thaw {freeze.id} --reason WHY"
    )


async def test_a_held_call_asks_again_soon_and_then_every_fifteen_seconds() -> None:
    async with a_company() as bench:
        await freezes(bench)
        delays = [(await held(bench, attempt=attempt)).next_retry_delay for attempt in (1, 2, 7, 8, 500)]
    assert delays == [timedelta(seconds=seconds) for seconds in (2, 4, 14, 15, 15)]


async def test_a_freeze_holds_the_next_send_of_every_worker_and_of_one_that_starts_later() -> None:
    """Another process has opened the same store, and its gate has sent a moment ago."""
    async with a_company() as bench:
        second = Store.open(f"sqlite:///{bench.store._database.place.removeprefix('SQLite ')}")
        try:
            other = dataclasses.replace(bench, store=second)
            assert (await other.call(CREDIT)).status is CallStatus.DONE
            gate = other.gate()
            again = CREDIT.model_copy(update={"occurrence": "2"})
            freeze = await freezes(bench)
            with pytest.raises(ApplicationError, match="held: everything"):
                await other.environment().run(gate.call_tool, again)
            await thaws(bench, OLGA.thaws(freeze, NINE))
            assert (await other.environment().run(gate.call_tool, again)).status is CallStatus.DONE
            await freezes(other)
        finally:
            second.close()
        await held(bench, CREDIT.model_copy(update={"occurrence": "3"}))


# What takes a freeze back, and what does not.


def forged(freeze: Freeze) -> Thaw:
    """Rita signs in Olga's name, with Olga's key id."""
    return RITA.thaws(freeze, NINE, subject="olga", key_id=OLGA.key_id)


def changed(freeze: Freeze) -> Thaw:
    """Olga has signed another thaw than this."""
    return OLGA.thaws(freeze, NINE).model_copy(update={"reason": "all is well"})


def unsigned(freeze: Freeze) -> Thaw:
    """As in development."""
    return OLGA.thaws(freeze, NINE).model_copy(update={"signature": None, "key_id": ""})


def of_another(freeze: Freeze) -> Thaw:
    """Olga has thawed another freeze; somebody has put it here."""
    return OLGA.thaws(OLGA.freezes(PRODUCTION.id, NINE), NINE)


WORTHLESS: list[tuple[Any, str]] = [
    (forged, "not genuine"),
    (changed, "not genuine"),
    (unsigned, "nobody has signed it"),
    (lambda freeze: Signer("mallory", ("operator",)).thaws(freeze, NINE), "is nobody's in the roster"),
    (lambda freeze: RITA.thaws(freeze, NINE), "'rita' did not hold the role 'operator'"),
    (lambda freeze: RITA.thaws(freeze, NINE, subject="olga"), "is not 'olga'"),
    (lambda freeze: OTTO.thaws(freeze, NINE, subject="olga"), "is not 'olga'"),
    (lambda freeze: ROBOT.thaws(freeze, NINE), "is not 'robot'"),
    (lambda freeze: EVA.thaws(freeze, NINE), "'eva' did not hold the role 'operator'"),
    (lambda freeze: OLGA.thaws(freeze, NINE, deployment="elsewhere"), "was made for deployment 'elsewhere'"),
    (lambda freeze: OLGA.thaws(freeze, NINE - timedelta(days=1)), "older than the freeze"),
    (of_another, "takes back another freeze"),
]


def tamper(bench: Bench, of: Freeze, **columns: str | None) -> None:
    """Somebody who may write to the database does."""
    sql = ", ".join(f"{name} = :{name}" for name in columns)
    change = text(f"UPDATE freezes SET {sql} WHERE nonce = :nonce")
    bench.store._database.write_now(lambda each: each.execute(change, {**columns, "nonce": of.nonce}).rowcount)


async def test_a_thaw_that_does_not_count_takes_nothing_back() -> None:
    async with a_company() as bench:
        freeze = await freezes(bench)
        for make, problem in WORTHLESS:
            tamper(bench, freeze, thaw=make(freeze).model_dump_json(), thawed_at=rfc3339(NINE))
            told = (await held(bench)).message
            assert "; its thaw does not count: " in told
            assert problem in told
        await thaws(bench, OLGA.thaws(freeze, NINE))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_a_thaw_that_cannot_be_read_or_says_not_when_it_was_recorded_takes_nothing_back() -> None:
    async with a_company() as bench:
        freeze = await freezes(bench)
        for thaw, at in (("{", rfc3339(NINE)), (OLGA.thaws(freeze, NINE).model_dump_json(), None)):
            tamper(bench, freeze, thaw=thaw, thawed_at=at)
            assert "its thaw does not count" in (await held(bench)).message
        tamper(bench, freeze, thaw=None, thawed_at=rfc3339(NINE))
        await held(bench)


async def test_an_operator_who_was_none_when_it_was_recorded_takes_nothing_back_with_an_older_date() -> None:
    async with a_company() as bench:
        freeze = await freezes(bench)
        gone = NINE + timedelta(days=3)
        key = OLGA.person().keys[0].model_copy(update={"valid_until": NINE + timedelta(days=1)})
        over = OLGA.person(keys=(key,))
        bench.authority.people = ROSTER.model_copy(update={"people": (over, OTTO.person())})
        await thaws(bench, OLGA.thaws(freeze, NINE + timedelta(hours=1)), gone)
        assert "counts from 2020-01-01 to 2026-11-21 only" in (await held(bench)).message


async def test_somebody_who_took_the_role_in_an_emergency_may_freeze_and_thaw() -> None:
    async with a_company() as bench:
        bench.authority.grants = (EVA.grants("operator", PRODUCTION.id, NINE - timedelta(minutes=1)),)
        freeze = EVA.freezes(PRODUCTION.id, NINE)
        await bench.store.freezes.freeze(freeze, (), NINE)
        assert "not verified" not in (await held(bench)).message
        await thaws(bench, EVA.thaws(freeze, NINE))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_a_thaw_counts_when_its_signer_has_left_and_no_more_once_their_key_is_revoked() -> None:
    async with a_company() as bench:
        freeze = await freezes(bench)
        await thaws(bench, OLGA.thaws(freeze, NINE))
        bench.authority.before, bench.authority.people = ROSTER, roster_of(OTTO)
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
        key = OLGA.person().keys[0].model_copy(update={"revoked_at": NINE})
        bench.authority.people = Roster(people=(OLGA.person(keys=(key,)), OTTO.person()))
        told = (await held(bench, CREDIT.model_copy(update={"occurrence": "2"}))).message
    assert "its thaw does not count: it was signed with a key of 'olga' that was revoked since" in told


async def test_while_no_roster_can_be_trusted_nothing_is_thawed() -> None:
    async with a_company() as bench:
        freeze = await freezes(bench)
        await thaws(bench, OLGA.thaws(freeze, NINE))
        stored = StoredFreezes(bench.store.freezes, bench.authority, PRODUCTION)
        bench.authority.missing = NothingInForce("no roster is in force")
        standing = await stored.over("refund", "payments", "issue_credit")
    assert standing is not None and standing.not_thawed == "no roster is in force"


async def test_in_development_an_unsigned_freeze_holds_and_an_unsigned_thaw_takes_it_back() -> None:
    async with a_company() as bench:
        bench.deployment = PRODUCTION.model_copy(update={"mode": Mode.DEVELOPMENT})
        freeze = await freezes(bench, key_id="")
        assert "not verified" not in (await held(bench)).message
        await thaws(bench, of_another(freeze).model_copy(update={"freeze": freeze.nonce, "deployment": "elsewhere"}))
        await held(bench)
        await thaws(bench, unsigned(freeze))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


# A freeze is heeded whoever has pressed it.


def written(freeze: Freeze, **changes: Any) -> str:
    """The freeze with these changes, and with the signature as it was."""
    return freeze.model_copy(update=changes).model_dump_json()


DOUBTFUL: list[tuple[str, Any, str]] = [
    ("freeze", lambda freeze: written(freeze, signature=None), "nobody has signed it"),
    ("freeze", lambda freeze: written(freeze, reason="none"), "is not genuine"),
    ("freeze", lambda freeze: written(freeze, deployment="elsewhere"), "names deployment 'elsewhere'"),
    ("freeze", lambda _: written(OLGA.freezes(PRODUCTION.id, NINE, FreezeScope.TOOL, "no.tool")), "over everything"),
    ("freeze", lambda _: "{", "cannot be read, so it is over everything"),
    ("freeze", lambda _: '{"scope": "nothing"}', "cannot be read, so it is over everything"),
    ("frozen_at", lambda _: "yesterday", "does not say when"),
]


async def test_a_freeze_that_cannot_be_verified_holds_all_the_same() -> None:
    async with a_company() as bench:
        for column, make, problem in DOUBTFUL:
            freeze = await freezes(bench, FreezeScope.SERVER, "payments")
            tamper(bench, freeze, **{column: make(freeze)})
            told = (await held(bench)).message
            assert "(not verified: " in told
            assert problem in told
            await thaws(bench, OLGA.thaws(freeze, NINE))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_of_several_freezes_each_is_thawed_by_itself() -> None:
    async with a_company() as bench:
        first = await freezes(bench, FreezeScope.SERVER, "payments")
        bench.clock.forward(timedelta(minutes=1))
        second = await freezes(bench)
        assert first.id in (await held(bench)).message
        await thaws(bench, OLGA.thaws(first, bench.clock.at))
        assert second.id in (await held(bench)).message
        await thaws(bench, OLGA.thaws(second, bench.clock.at))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_nothing_is_looked_up_either_on_what_is_frozen() -> None:
    toolbox = RecordingToolbox(
        {TOOL: in_turn(lambda _: lost()), "payments.credits": {"credits": []}},
        classes={TOOL: EffectClass.QUERYABLE},
        lookups={TOOL: Lookup(tool="credits", items="/credits", match="/reference", slowest_seconds=5)},
    )
    async with a_bench(toolbox, deployment=PRODUCTION) as bench:
        bench.authority.people = ROSTER
        await accept_all(bench)
        with pytest.raises(ApplicationError, match="timed out"):
            await bench.call(CREDIT)
        bench.clock.forward(timedelta(seconds=5))
        await freezes(bench, FreezeScope.TOOL, "payments.credits")
        await held(bench)


def lost() -> Any:
    """No answer comes."""
    raise OutcomeUnknown("timed out")
