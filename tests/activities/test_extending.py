"""A person's word for how much more a run may spend: it counts when it is theirs to give, and once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.budgets import Standing
from activities.context_files import ContextFiles
from activities.extending import ExtendingActivities
from contracts.budgets import BudgetExtended, BudgetToExtend
from contracts.canonical import digest
from contracts.claude import Usage
from contracts.decisions import Decision, RequestKind, Verdict
from contracts.policy import Obligation
from tests.activities.bench import NINE, PRODUCTION, RUN, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox
from workers.resources.store.spending import count_turn

DANA, RITA, BOB = Signer("dana", ("finance_manager",)), Signer("rita", ("finance_manager",)), Signer("bob", ("clerk",))
OPTIONS = (Verdict.EXTEND, Verdict.RETRY, Verdict.ABANDON)
ASKED = digest(b"the budget is spent")


@dataclass
class Spent:
    """A run whose budget is spent; people are asked how it goes on."""

    bench: Bench

    def says(self, value: str = "", signer: Signer = DANA, **changes: Any) -> Decision:
        """What a person says, signed."""
        plain = self.bench.decision(ASKED, verdict=Verdict.EXTEND, value=value)
        return signer.signed(plain, **changes)

    async def extend(self, decision: Decision) -> BudgetExtended:
        """Have the store take it."""
        extending = self.bench.bound(ExtendingActivities)
        return await self.bench.environment().run(extending.extend_budget, BudgetToExtend(decision=decision))

    async def standing(self) -> Standing:
        """How the run stands."""
        start = await self.bench.store.starts.find(RUN)
        assert start is not None
        return await self.bench.budgeting().standing(RUN, start, self.bench.clock.at)

    async def left(self) -> int:
        """Turns."""
        return (await self.standing()).lines[0].left

    async def refuses(self, decision: Decision) -> str:
        """Why the word does not count; nothing is changed by it."""
        refused = (await self.extend(decision)).refused
        assert refused.startswith(f"the word of {decision.approver!r} does not count: ")
        assert (await self.standing()).exhausted
        return refused


@asynccontextmanager
async def a_spent_budget(**asked: Any) -> AsyncIterator[Spent]:
    """In production, where dana and rita are finance managers, and rita's refund has spent two of two turns."""
    with TemporaryDirectory() as folder:
        page = Path(folder) / "refund" / "context.toml"
        page.parent.mkdir()
        page.write_text("[budget.run]\nturns = 2\n")
        async with a_bench(RecordingToolbox({}), contexts=ContextFiles([Path(folder)])) as bench:
            bench.deployment = PRODUCTION
            bench.authority.people = roster_of(DANA, RITA, BOB)
            spent, usage = Spent(bench), Usage(input_tokens=100, output_tokens=20)
            spender = (await spent.standing()).spender
            for _ in range(2):
                await bench.store._database.write(
                    lambda connection: count_turn(connection, RUN, spender, usage, bench.clock.at)
                )
            usual = {"kind": RequestKind.ESCALATION, "options": OPTIONS, "state": "escalated"}
            await bench.asks_for(bench.decision(ASKED), **usual | asked)
            yield spent


@pytest.mark.parametrize(("value", "left"), [('{"turns": 3}', 3), ("", 2)])
async def test_a_run_may_spend_what_its_owners_add_and_without_an_amount_as_much_again(value: str, left: int) -> None:
    async with a_spent_budget() as spent:
        assert (await spent.extend(spent.says(value))).refused == ""
        assert await spent.left() == left


async def test_a_retry_adds_nothing_more_even_when_the_decision_has_expired_meanwhile() -> None:
    async with a_spent_budget() as spent:
        word = spent.says('{"turns": 3}')
        await spent.extend(word)
        spent.bench.clock.forward(timedelta(hours=2))
        again = await spent.extend(word)

        assert again.refused == ""
        assert await spent.left() == 3


async def test_an_unsigned_extension_counts_in_development_only() -> None:
    async with a_spent_budget() as spent:
        word = spent.bench.decision(ASKED, verdict=Verdict.EXTEND, value='{"turns": 3}')
        assert "unsigned decisions count in development mode only" in await spent.refuses(word)


async def test_an_amount_that_was_changed_after_signing_does_not_count() -> None:
    async with a_spent_budget() as spent:
        word = spent.says('{"turns": 3}').model_copy(update={"value": '{"turns": 3000}'})
        assert "the signature was not made by 'dana'" in await spent.refuses(word)


async def test_whoever_asked_for_the_run_does_not_extend_its_budget() -> None:
    async with a_spent_budget() as spent:
        assert "asked for this run" in await spent.refuses(spent.says(signer=RITA))


async def test_who_may_extend_is_the_workers_knowledge_whatever_the_request_says() -> None:
    clerks = (Obligation(role="clerk", within=timedelta(days=7), rule_id="escalation"),)
    async with a_spent_budget(obligations=clerks) as spent:
        assert "finance_manager" in await spent.refuses(spent.says(signer=BOB))
        assert (await spent.extend(spent.says())).refused == ""


async def test_an_extension_that_was_not_offered_does_not_count() -> None:
    async with a_spent_budget(options=(Verdict.RETRY, Verdict.ABANDON)) as spent:
        assert "verdict 'extend' is no answer to this request" in await spent.refuses(spent.says())


@pytest.mark.parametrize("kind", [RequestKind.APPROVAL, RequestKind.OUTCOME])
async def test_an_answer_to_another_kind_of_request_extends_nothing(kind: RequestKind) -> None:
    async with a_spent_budget(kind=kind) as spent:
        assert "this run has no request" in await spent.refuses(spent.says())


async def test_another_answer_to_the_request_extends_nothing() -> None:
    async with a_spent_budget() as spent:
        word = spent.says('{"turns": 3}', verdict=Verdict.RETRY)
        assert "it says 'retry', and nothing of the budget" in await spent.refuses(word)


async def test_a_decision_for_another_run_extends_nothing_here() -> None:
    async with a_spent_budget() as spent:
        assert "first_run_id is 'run-9'" in await spent.refuses(spent.says(first_run_id="run-9"))


async def test_the_answer_that_closed_the_request_counts_and_nobody_elses() -> None:
    async with a_spent_budget() as spent:
        request = await spent.bench.store.inbox.find(f"{RUN.workflow_id}#1")
        assert request is not None
        await spent.bench.store.inbox.close(request, "extend", "dana", NINE)
        erik = Signer("erik", ("finance_manager",))
        spent.bench.authority.people = roster_of(DANA, RITA, BOB, erik)

        assert "was extend" in await spent.refuses(spent.says(signer=erik))
        assert (await spent.extend(spent.says())).refused == ""


async def test_a_nonce_that_another_decision_has_used_extends_nothing() -> None:
    async with a_spent_budget() as spent:
        other = spent.says(note="something else")
        await spent.bench.store.decided.use(other, "dana", NINE)
        assert "its nonce was used before" in await spent.refuses(spent.says(nonce=other.nonce))


async def test_what_would_not_let_the_run_go_on_does_not_count_and_says_what_would() -> None:
    async with a_spent_budget() as spent:
        assert "add at least turns=1" in await spent.refuses(spent.says('{"tokens": 500}'))
        assert "turns: Input should be" in await spent.refuses(spent.says('{"turns": "many"}'))


async def test_while_nothing_is_in_force_to_verify_it_by_it_is_tried_again() -> None:
    async with a_spent_budget() as spent:
        word = spent.says()
        spent.bench.authority.missing = NothingInForce("no roster is in force")
        with pytest.raises(ApplicationError, match="no roster is in force") as waiting:
            await spent.extend(word)

    assert not waiting.value.non_retryable
