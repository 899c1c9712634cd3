"""Everything that can go wrong with an answer of Claude, on the wire."""

from datetime import timedelta

import pytest

from contracts.decisions import Verdict
from tests.end_to_end.setup import Setup
from tests.end_to_end.simulator import Fault
from workers.embedded.plan import SIMULATOR

pytestmark = pytest.mark.many

TRANSIENT: dict[str, Fault] = {
    "overloaded_529": {"kind": "status", "status": 529},
    "internal_500": {"kind": "status", "status": 500},
    "cut_before_the_first_byte": {"kind": "cut"},
    "cut_in_mid_stream": {"kind": "cut", "after_events": 4},
    "clean_end_without_message_stop": {"kind": "end_early", "after_events": 4},
    "error_event_in_mid_stream": {"kind": "sse_error", "after_events": 4},
}
FINAL: dict[str, Fault] = {
    "authentication_401": {"kind": "status", "status": 401},
    "forbidden_403": {"kind": "status", "status": 403},
    "too_large_413": {"kind": "status", "status": 413},
    "spend_limit_429": {
        "kind": "status",
        "status": 429,
        "error_code": "workspace_spend_limit_reached",
        "headers": {"x-should-retry": "false"},
    },
    "a_page_with_status_200": {"kind": "html"},
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
async def test_a_passing_failure_is_asked_again_and_the_run_ends_well(setup: Setup, fault: Fault) -> None:
    await setup.simulator.does(fault)
    before = len(await setup.simulator.questions())
    run = await setup.errand()
    assert await run.ending() == "answered"
    questions = (await setup.simulator.questions())[before:]
    assert [question.turn for question in questions] == [1, 1, 2]
    assert questions[0].fault == fault["kind"]
    assert [turn.attempt for turn in await run.last_attempts("ask_claude")] == [2, 1]


async def test_retry_after_is_when_claude_is_asked_next(setup: Setup) -> None:
    wait = timedelta(seconds=3)
    await setup.simulator.does({"kind": "status", "status": 429, "headers": {"retry-after": "3"}})
    run = await setup.errand()
    assert await run.ending() == "answered"
    first, *_ = await run.last_attempts("ask_claude")
    assert first.attempt == 2
    assert wait <= first.started_at - first.scheduled_at < 2 * wait + timedelta(seconds=2)


async def test_a_claude_that_cannot_be_reached_is_waited_for(setup: Setup) -> None:
    await setup.kill(SIMULATOR)
    try:
        run = await setup.errand()
        await run.until_failing("ask_claude")
    finally:
        await setup.start_programs(SIMULATOR)
    assert await run.ending() == "answered"


@pytest.mark.parametrize("fault", FINAL.values(), ids=FINAL.keys())
async def test_a_final_failure_is_not_asked_again_until_a_person_says_so(setup: Setup, fault: Fault) -> None:
    await setup.simulator.does(fault)
    before = len(await setup.simulator.questions())
    run = await setup.errand()
    request = await run.asked()
    assert (await run.view()).state == "escalated"
    (question,) = (await setup.simulator.questions())[before:]
    if question.fault != "html":
        assert question.request_id in request.title
    await run.decides(Verdict.RETRY)
    assert await run.ending() == "answered"


async def test_truncated_tool_arguments_are_never_executed(setup: Setup) -> None:
    await setup.simulator.does({"kind": "truncate_tool_arguments"})
    run = await setup.errand()
    request = await run.asked()
    assert "incomplete" in request.title
    assert (await run.view()).tool_calls == 0
    assert setup.sends(run, "open_orders_of_customer") == []
    await run.decides(Verdict.ABANDON)
    assert await run.ending() == "cancelled"


async def test_a_refusal_is_an_ending_of_its_own(setup: Setup) -> None:
    await setup.simulator.does({"kind": "refusal"})
    run = await setup.errand()
    assert await run.ending() == "declined"
