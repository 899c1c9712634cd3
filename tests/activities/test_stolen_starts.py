"""Rita has signed for a refund of A-17, at most 40.00: false code that has stolen her statement can do no more."""

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from activities.starts import StartActivities
from contracts.canonical import digest
from contracts.runs import RunToRegister, StartStatement
from contracts.tools import CallStatus, EffectClass, Purpose, ToolCall, ToolOutcome, Undoes
from tests.activities.bench import NINE, OURS, PRODUCTION, RUN, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox

CREDIT, REVERSAL = "payments.issue_credit", "payments.reverse_credit"
CLASSES = {
    CREDIT: EffectClass.KEYED,
    REVERSAL: EffectClass.KEYED,
    "orders.mark_refunded": EffectClass.IDEMPOTENT,
    "mail.confirm_refund": EffectClass.KEYED,
}
ASKED: dict[str, JsonValue] = {"order_id": "A-17", "limit_cents": 4000}
RITA, DANA, ERIK = Signer("rita"), Signer("dana", ("finance_manager",)), Signer("erik", ("finance_manager",))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A production deployment in which false code has registered its run with Rita's genuine statement and input."""
    undoes = {REVERSAL: Undoes(tool="issue_credit", same=("order_id",))}
    toolbox = RecordingToolbox({name: {} for name in CLASSES}, CLASSES, undoes=undoes)
    async with a_bench(toolbox, policy=OURS, registered=False, deployment=PRODUCTION) as opened:
        opened.authority.people = roster_of(RITA, DANA, ERIK)
        for server in ("payments", "orders", "mail"):
            for definition in await toolbox.definitions(server):
                opened.authority.accept(definition)
        register = opened.bound(StartActivities).register_run
        stolen = RunToRegister(start=RITA.starts(_statement()), request=ASKED)
        assert (await opened.environment().run(register, stolen)).refused == ""
        yield opened


def _statement() -> StartStatement:
    return StartStatement(
        requester="rita",
        automation="refund",
        business_key="A-17",
        input_digest=digest(ASKED),
        issued_at=NINE,
        deployment=PRODUCTION.id,
        workflow_id=RUN.workflow_id,
    )


def calling(name: str, order: str, cents: int = 4000, purpose: Purpose = Purpose.FORWARD) -> ToolCall:
    """Do something to an order."""
    server, _, tool = name.partition(".")
    given: dict[str, JsonValue] = {"order_id": order, "customer_id": "C-7", "cents": cents}
    return ToolCall(server=server, tool=tool, arguments=given, step=name, purpose=purpose)


async def signed(bench: Bench, call: ToolCall) -> ToolOutcome:
    """What the gate does with it once two finance managers have signed exactly this."""
    unsigned = bench.decision((await bench.rule(call)).action_digest)
    return await bench.call(call.model_copy(update={"evidence": (DANA.signed(unsigned), ERIK.signed(unsigned))}))


async def test_what_was_asked_for_is_done(bench: Bench) -> None:
    for name in (CREDIT, "orders.mark_refunded", "mail.confirm_refund"):
        assert (await bench.call(calling(name, "A-17"))).status is CallStatus.DONE
    undone = await bench.call(calling(REVERSAL, "A-17", purpose=Purpose.COMPENSATION))
    assert (undone.status, bench.toolbox.called[-1]) == (CallStatus.DONE, REVERSAL)


@pytest.mark.parametrize("name", [CREDIT, "orders.mark_refunded", "mail.confirm_refund"])
async def test_a_stolen_start_statement_does_nothing_to_another_order(bench: Bench, name: str) -> None:
    outcome = await bench.call(calling(name, "Z-99"))
    assert (outcome.status, bench.toolbox.called) == (CallStatus.FORBIDDEN, [])
    assert outcome.message == "forbidden by refund-as-asked"


@pytest.mark.parametrize(
    ("order", "cents", "rule"),
    [
        ("Z-99", 4000, "refund-as-asked"),
        ("Z-99", 9000, "refund-as-asked, refund-no-more-than-asked"),
        ("A-17", 9000, "refund-no-more-than-asked"),
        ("A-17", 4001, "refund-no-more-than-asked"),
    ],
)
async def test_no_genuine_approval_makes_a_stolen_start_statement_worth_more(
    bench: Bench, order: str, cents: int, rule: str
) -> None:
    outcome = await signed(bench, calling(CREDIT, order, cents))
    assert (outcome.status, bench.toolbox.called) == (CallStatus.FORBIDDEN, [])
    assert outcome.message == f"forbidden by {rule}"
