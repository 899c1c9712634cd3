"""A person's word for what came of a call: it counts when it is theirs to give, and for exactly this call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.ledger import LedgerState
from activities.resolving import ResolvingActivities
from activities.toolbox import OutcomeUnknown
from activities.totals import Spending
from contracts.audit import AuditKind
from contracts.canonical import digest, parse_json
from contracts.decisions import OUTCOME_VERDICTS, Decision, RequestKind, Verdict
from contracts.policy import Obligation
from contracts.runs import Resolution, Unanswered
from contracts.tools import CallStatus, EffectClass, Share, ToolCall, ToolOutcome
from tests.activities.bench import NINE, PRODUCTION, RUN, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox

TOOL = "payments.issue_credit"
CREDIT = ToolCall(server="payments", tool="issue_credit", arguments={"cents": 4000}, step=TOOL)
DANA, RITA, BOB = Signer("dana", ("finance_manager",)), Signer("rita", ("finance_manager",)), Signer("bob", ("clerk",))
PROOF = "credit cr-1 stands in the books of payments"


@dataclass
class Found:
    """A credit that was sent, and never answered; people are asked whether it happened."""

    bench: Bench
    about: str

    def says(self, verdict: Verdict, signer: Signer = DANA, **changes: Any) -> Decision:
        """What a person says, signed."""
        plain = self.bench.decision(self.about, verdict=verdict, note=PROOF)
        return signer.signed(plain, **changes)

    async def resolve(self, decision: Decision, **unanswered: Any) -> ToolOutcome:
        """Have the ledger take it."""
        named = Unanswered(call=CREDIT.model_copy(update=unanswered), action_digest=self.about)
        resolving = self.bench.bound(ResolvingActivities)
        resolution = Resolution(unanswered=named, decision=decision)
        return await self.bench.environment().run(resolving.resolve_call, resolution)

    async def state(self) -> LedgerState:
        """What the ledger says."""
        entry = await self.bench.entry(CREDIT)
        assert entry is not None
        return entry.state

    async def refuses(self, decision: Decision) -> str:
        """Why the word does not count; nothing is changed by it."""
        outcome = await self.resolve(decision)
        assert outcome.status is CallStatus.UNKNOWN
        assert await self.state() is LedgerState.UNKNOWN
        return outcome.message


@asynccontextmanager
async def a_lost_credit(**asked: Any) -> AsyncIterator[Found]:
    """In production, where dana and rita are finance managers, and rita has asked for the refund."""
    lost = OutcomeUnknown("timed out")
    toolbox = RecordingToolbox({TOOL: lambda _: _raise(lost)}, classes={TOOL: EffectClass.OPAQUE})
    async with a_bench(toolbox) as bench:
        outcome = await bench.call(CREDIT)
        bench.deployment = PRODUCTION
        bench.authority.people = roster_of(DANA, RITA, BOB)
        usual = {"kind": RequestKind.OUTCOME, "options": OUTCOME_VERDICTS, "state": "escalated"}
        await bench.asks_for(bench.decision(outcome.action_digest), **usual | asked)
        yield Found(bench, outcome.action_digest)


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("verdict", "state", "status"),
    [
        (Verdict.HAPPENED, LedgerState.ADOPTED, CallStatus.DONE),
        (Verdict.DID_NOT_HAPPEN, LedgerState.NOT_HAPPENED, CallStatus.NOT_HAPPENED),
        (Verdict.ABANDON, LedgerState.ABANDONED, CallStatus.ABANDONED),
    ],
)
async def test_what_a_person_found_out_stands_for_good_and_nothing_is_sent(
    verdict: Verdict, state: LedgerState, status: CallStatus
) -> None:
    async with a_lost_credit() as credit:
        outcome = await credit.resolve(credit.says(verdict))
        other_word = await credit.resolve(credit.says(Verdict.ABANDON))
        again = await credit.bench.call(CREDIT)

        assert await credit.state() is state
    assert outcome.status is other_word.status is again.status is status
    assert outcome.message.startswith("dana says: ")
    assert PROOF in outcome.message
    assert credit.bench.toolbox.called == [TOOL]


async def test_auditors_are_told_who_said_so_and_by_which_decision() -> None:
    async with a_lost_credit() as credit:
        word = credit.says(Verdict.HAPPENED)
        await credit.resolve(word)
        told = credit.bench.store._database.read_now(
            lambda connection: connection.exec_driver_sql(
                f"SELECT payload FROM audit WHERE kind = '{AuditKind.OUTCOME.value}' ORDER BY seq DESC"
            ).scalar()
        )

    record = parse_json(str(told))
    assert isinstance(record, dict)
    assert record["who"] == "dana"
    assert isinstance(record["facts"], dict)
    assert record["facts"]["evidence"] == [word.nonce]
    assert record["facts"]["state"] == "adopted"
    assert PROOF not in str(told), "words of people stand in the store, where they can be erased"


async def test_what_did_not_happen_counts_in_no_total_and_what_did_goes_on_counting() -> None:
    share = Share(total="daily", of="rita", amount=4000)
    for verdict, left in ((Verdict.DID_NOT_HAPPEN, 0), (Verdict.HAPPENED, 4000), (Verdict.ABANDON, 4000)):
        async with a_lost_credit() as credit:
            entry = await credit.bench.entry(CREDIT)
            assert entry is not None
            spent = Spending(key=entry.key, action_digest=credit.about, run=RUN)
            await credit.bench.store.totals.reserve(spent, (share,), NINE)
            await credit.resolve(credit.says(verdict))
            other = Spending(key="another", action_digest=credit.about, run=RUN)
            reached = await credit.bench.store.totals.peek(other, (share.model_copy(update={"amount": 0}),))
        assert reached == {"daily": left}, verdict


async def test_an_unsigned_word_counts_in_development_only() -> None:
    async with a_lost_credit() as credit:
        word = credit.bench.decision(credit.about, verdict=Verdict.DID_NOT_HAPPEN)
        assert "unsigned decisions count in development mode only" in await credit.refuses(word)


async def test_a_word_that_was_changed_after_signing_does_not_count() -> None:
    async with a_lost_credit() as credit:
        word = credit.says(Verdict.HAPPENED).model_copy(update={"verdict": Verdict.DID_NOT_HAPPEN})
        assert "the signature was not made by 'dana'" in await credit.refuses(word)


async def test_whoever_asked_for_the_run_does_not_say_what_came_of_it() -> None:
    async with a_lost_credit() as credit:
        assert "asked for this run" in await credit.refuses(credit.says(Verdict.DID_NOT_HAPPEN, RITA))


async def test_who_may_say_so_is_the_workers_knowledge_whatever_the_request_says() -> None:
    clerks = (Obligation(role="clerk", within=timedelta(days=7), rule_id="escalation"),)
    async with a_lost_credit(obligations=clerks) as credit:
        assert "finance_manager" in await credit.refuses(credit.says(Verdict.DID_NOT_HAPPEN, BOB))
        assert (await credit.resolve(credit.says(Verdict.DID_NOT_HAPPEN))).status is CallStatus.NOT_HAPPENED


async def test_a_word_on_another_call_does_not_count_for_this_one() -> None:
    async with a_lost_credit() as credit:
        word = DANA.signed(credit.bench.decision(digest(b"another"), verdict=Verdict.HAPPENED, note=PROOF))
        assert "it is for another action than this" in await credit.refuses(word)


@pytest.mark.parametrize("kind", [RequestKind.APPROVAL, RequestKind.ESCALATION])
async def test_an_answer_to_another_kind_of_request_says_nothing_of_what_happened(kind: RequestKind) -> None:
    async with a_lost_credit(kind=kind) as credit:
        assert "this run has no request" in await credit.refuses(credit.says(Verdict.ABANDON))


async def test_a_request_that_was_withdrawn_is_answered_by_nothing_any_more() -> None:
    async with a_lost_credit() as credit:
        request = await credit.bench.store.inbox.find(f"{RUN.workflow_id}#1")
        assert request is not None
        await credit.bench.store.inbox.close(request, "withdrawn", "", NINE)
        assert "was withdrawn" in await credit.refuses(credit.says(Verdict.HAPPENED))


async def test_the_answer_that_closed_the_request_counts() -> None:
    async with a_lost_credit() as credit:
        request = await credit.bench.store.inbox.find(f"{RUN.workflow_id}#1")
        assert request is not None
        await credit.bench.store.inbox.close(request, "happened", "dana", NINE)
        assert (await credit.resolve(credit.says(Verdict.HAPPENED))).done


async def test_it_happened_needs_a_proof() -> None:
    async with a_lost_credit() as credit:
        assert "gives no proof" in await credit.refuses(credit.says(Verdict.HAPPENED, note="  "))


async def test_what_is_under_way_again_is_waited_for() -> None:
    async with a_lost_credit() as credit:
        entry = await credit.bench.entry(CREDIT)
        assert entry is not None
        await credit.bench.store.ledger.mark_sent(entry.key, entry.generation, "another worker", NINE)
        with pytest.raises(ApplicationError, match="under way again") as waiting:
            await credit.resolve(credit.says(Verdict.HAPPENED))

    assert not waiting.value.non_retryable


async def test_an_answer_that_came_meanwhile_stands_against_every_word() -> None:
    async with a_lost_credit() as credit:
        entry = await credit.bench.entry(CREDIT)
        assert entry is not None
        done = ToolOutcome(status=CallStatus.DONE, action_digest=credit.about, message="an answer after all")
        await credit.bench.store.ledger.finish(entry.key, entry.generation, LedgerState.DONE, done, None, NINE)
        outcome = await credit.resolve(credit.says(Verdict.DID_NOT_HAPPEN))

        assert outcome == done
        assert await credit.state() is LedgerState.DONE


async def test_nothing_is_said_of_a_call_that_was_never_sent() -> None:
    async with a_lost_credit() as credit:
        outcome = await credit.resolve(credit.says(Verdict.HAPPENED), occurrence="2")

    assert outcome.status is CallStatus.UNKNOWN
    assert "no such call of this run was ever sent" in outcome.message
