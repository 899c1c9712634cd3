"""A turn with Claude: what it sees, that it is paid for once, and what is made of its answer."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.claude import MAX_ADVICE_BYTES
from activities.claude_port import ClaudeRejected, ClaudeUnavailable
from activities.toolbox import NotSent
from contracts.claude import CallNote, StopReason, TurnOutcome, TurnRequest
from contracts.tools import CallStatus, ChosenByClaude, EffectClass, ToolCall, ToolOutcome
from tests.activities.bench import Bench, a_bench
from tests.doubles import Answer, RecordingToolbox, ScriptedClaude, answer_of, asks_for, says, says_no

FIND: tuple[str, dict[str, JsonValue]] = ("orders.find", {"order_id": "A-17"})
NOTE: tuple[str, dict[str, JsonValue]] = ("crm.add_note", {"body": "called"})
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}, "reason": {"type": "string"}},
    "required": ["cents"],
}


def world(**answers: Answer) -> RecordingToolbox:
    """Two servers: orders can be found, notes taken."""
    return RecordingToolbox(
        {"orders.find": {"total": 40}, "crm.add_note": "noted", **answers},
        classes={"crm.add_note": EffectClass.OPAQUE},
    )


def turn(number: int = 0, **more: Any) -> TurnRequest:
    """One turn of an errand."""
    fields: dict[str, Any] = {
        "conversation": "errand",
        "turn": number,
        "prompt": "errand/thinking",
        "state": "thinking",
        "variables": {"goal": "Find order A-17", "turns": "5"} if number == 0 else {},
        "tools": ("orders.*", "crm.*"),
    }
    return TurnRequest(**(fields | more))


async def call(bench: Bench, number: int, block: int, name: str) -> ToolOutcome:
    """Make the call of one block of a turn."""
    server, tool = name.split(".")
    chosen = ChosenByClaude(conversation="errand", turn=number, block=block)
    wanted = ToolCall(server=server, tool=tool, chosen=chosen, step="errand", occurrence=f"{number}.{block}")
    return await bench.call(wanted)


def results(bench: Bench) -> list[dict[str, Any]]:
    """The content of the last user message Claude was sent."""
    content = bench.claude.questions[-1].messages[-1]["content"]
    assert isinstance(content, list)
    return [block for block in content if isinstance(block, dict)]


async def fails(bench: Bench, request: TurnRequest) -> ApplicationError:
    """The error of an attempt."""
    with pytest.raises(ApplicationError) as raised:
        await bench.turn(request)
    return raised.value


# What Claude sees.


async def test_the_first_turn_shows_the_prompt_and_the_tools() -> None:
    async with a_bench(world(), ScriptedClaude([says("Done.")])) as bench:
        outcome = await bench.turn(turn())
    (question,) = bench.claude.questions
    assert question.system.startswith("Automation: errand. State: thinking.")
    assert "at most 5 turns" in question.system
    assert question.messages == [{"role": "user", "content": [{"type": "text", "text": "goal:\nFind order A-17"}]}]
    assert [tool.name for tool in question.tools] == ["orders__find", "crm__add_note", "read_result"]
    assert question.closing.startswith('<task_state>{"state": "thinking", "budget": "Left of this run')
    assert (question.model, question.max_tokens, question.conversation_id) == ("scripted", 8192, "refund/A-17")
    assert (outcome.stop_reason, outcome.answer_bytes, outcome.calls) == (StopReason.ANSWERED, 5, ())


async def test_what_claude_said_is_kept_in_the_store_and_only_named_in_the_outcome() -> None:
    async with a_bench(world(), ScriptedClaude([says("s3cr3t " * 20_000)])) as bench:
        outcome = await bench.turn(turn())
        assert await bench.store.contents.get(outcome.answer_ref) == b"s3cr3t " * 20_000
    assert len(outcome.model_dump_json()) < 1_500
    assert "s3cr3t" not in outcome.model_dump_json()


async def test_a_later_turn_shows_everything_before_it_as_it_was_and_the_results_in_their_order() -> None:
    both = asks_for(FIND, NOTE)
    async with a_bench(world(), ScriptedClaude([both, says("Done.")])) as bench:
        first = await bench.turn(turn())
        assert [(one.block, one.server, one.tool, one.problem) for one in first.calls] == [
            (0, "orders", "find", ""),
            (1, "crm", "add_note", ""),
        ]
        for index, name in ((1, "crm.add_note"), (0, "orders.find")):
            assert (await call(bench, 0, index, name)).status is CallStatus.DONE
        await bench.turn(turn(1))
    before, after = bench.claude.questions
    assert after.messages[:1] == before.messages
    assert after.messages[1] == {"role": "assistant", "content": both}
    assert after.messages[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_0", "content": '{"total": 40}', "is_error": False},
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "noted", "is_error": False},
        ],
    }
    assert (after.system, after.tools) == (before.system, before.tools)


async def test_blocks_that_are_not_ours_to_read_go_back_as_they_came() -> None:
    thinking: JsonValue = {"type": "thinking", "thinking": "hm", "signature": "sealed=="}
    content = [thinking, *says("I look."), *asks_for(FIND)]
    async with a_bench(world(), ScriptedClaude([answer_of(content, "tool_use"), says("Done.")])) as bench:
        outcome = await bench.turn(turn())
        assert [one.block for one in outcome.calls] == [2]
        await bench.turn(turn(1))
    assert bench.claude.questions[1].messages[1] == {"role": "assistant", "content": content}


async def test_every_call_gets_a_result_made_noted_or_not() -> None:
    unoffered: tuple[str, dict[str, JsonValue]] = ("payments.steal", {})
    wrong: tuple[str, dict[str, JsonValue]] = ("orders.find", {"order_id": 17})
    asked = asks_for(FIND, NOTE, unoffered, wrong, FIND)
    async with a_bench(world(**{"orders.find": says_no("no such order")}), ScriptedClaude([asked, says(".")])) as bench:
        first = await bench.turn(turn())
        assert [bool(one.problem) for one in first.calls] == [False, False, True, True, False]
        await call(bench, 0, 0, "orders.find")
        await bench.turn(turn(1, notes=(CallNote(block=1, text="not made: rejected by dana"),)))
    shown = results(bench)
    assert [one["tool_use_id"] for one in shown] == [f"toolu_{index}" for index in range(5)]
    assert [one["is_error"] for one in shown] == [True] * 5
    assert [one["content"] for one in shown] == [
        "no such order",
        "not made: rejected by dana",
        "'payments__steal' was not offered",
        'the arguments do not fit: $.order_id: must satisfy type "string"',
        "this call was not made",
    ]


async def test_what_a_person_says_comes_after_the_results() -> None:
    async with a_bench(world(), _asks_then_says()) as bench:
        await bench.turn(turn())
        await call(bench, 0, 0, "orders.find")
        await bench.turn(turn(1, said="note from dana: less, please"))
    assert [one["type"] for one in results(bench)] == ["tool_result", "text"]
    assert results(bench)[1]["text"] == "note from dana: less, please"


async def test_a_turn_after_a_plain_answer_is_never_an_empty_message() -> None:
    async with a_bench(world(), ScriptedClaude([says("Well,"), says("done.")])) as bench:
        await bench.turn(turn())
        await bench.turn(turn(1))
    assert results(bench) == [{"type": "text", "text": "Go on."}]


async def test_two_conversations_of_a_run_do_not_see_each_other() -> None:
    async with a_bench(world(), ScriptedClaude([says("one"), says("two")])) as bench:
        await bench.turn(turn())
        await bench.turn(turn(conversation="another"))
    assert bench.claude.questions[0].messages == bench.claude.questions[1].messages


# Once.


async def test_an_answered_turn_is_not_paid_for_again() -> None:
    async with a_bench(world(), ScriptedClaude([says("Done."), says("Again?")])) as bench:
        first = await bench.turn(turn())
        assert await bench.turn(turn()) == first
    assert len(bench.claude.questions) == 1


async def test_a_retried_turn_sees_exactly_what_it_saw_before_whatever_happened_meanwhile() -> None:
    script = [asks_for(FIND), ClaudeUnavailable("overloaded"), says("Done.")]
    async with a_bench(world(), ScriptedClaude(script)) as bench:
        await bench.turn(turn())
        await call(bench, 0, 0, "orders.find")
        await fails(bench, turn(1))
        bench.toolbox.answers = {**bench.toolbox.answers, "crm.drop_note": "gone"}
        await bench.turn(turn(1, said="something else", notes=(CallNote(block=0, text="other"),)))
    assert bench.claude.questions[1] == bench.claude.questions[2]


async def test_a_first_turn_that_failed_is_retried_with_the_same_prompt_and_offer() -> None:
    async with a_bench(world(), ScriptedClaude([ClaudeUnavailable("529"), says("Done.")])) as bench:
        await fails(bench, turn())
        bench.toolbox.answers = {"orders.find": "other"}
        await bench.turn(turn(variables={"goal": "something else", "turns": "9"}))
    first, second = bench.claude.questions
    assert (first.messages, first.system, first.tools) == (second.messages, second.system, second.tools)


async def test_of_two_attempts_that_both_asked_the_first_answer_stands() -> None:
    claude = ScriptedClaude([says("first"), says("second")], hold=asyncio.Event())
    async with a_bench(world(), claude) as bench:
        slow = asyncio.create_task(bench.turn(turn()))
        await asyncio.wait_for(claude.reached.wait(), 5)
        assert claude.hold is not None
        hold, claude.hold = claude.hold, None
        fast = await bench.turn(turn())
        hold.set()
        assert await asyncio.wait_for(slow, 5) == fast
        assert await bench.turn(turn()) == fast


# What is made of an answer.


@pytest.mark.parametrize(
    ("stop_reason", "meaning"),
    [
        ("end_turn", StopReason.ANSWERED),
        ("stop_sequence", StopReason.ANSWERED),
        ("max_tokens", StopReason.TRUNCATED),
        ("refusal", StopReason.DECLINED),
        ("model_context_window_exceeded", StopReason.CONTEXT_FULL),
    ],
)
async def test_calls_are_only_taken_from_an_answer_that_stopped_for_them(stop_reason: str, meaning: StopReason) -> None:
    cut = answer_of([*says("I will"), *asks_for(FIND)], stop_reason)
    async with a_bench(world(), ScriptedClaude([cut])) as bench:
        outcome = await bench.turn(turn(answer_schema=SCHEMA))
        assert (await call(bench, 0, 1, "orders.find")).status is CallStatus.REFUSED
    assert (outcome.stop_reason, outcome.calls, outcome.advice) == (meaning, (), None)
    assert bench.toolbox.called == []


async def test_a_stop_reason_nobody_knows_is_an_error_that_names_the_request() -> None:
    async with a_bench(world(), ScriptedClaude([answer_of(says("?"), "pause_turn")])) as bench:
        error = await fails(bench, turn())
    assert (error.type, error.non_retryable) == ("ClaudeRejected", True)
    assert error.message == "Claude stopped with 'pause_turn', which this version does not know (request req_scripted)"


@pytest.mark.parametrize(
    ("text", "advice", "problem"),
    [
        ('{"cents": 4000, "reason": "broken"}', {"cents": 4000, "reason": "broken"}, ""),
        ("4000 cents, I think", None, "the answer is not JSON"),
        ("", None, "the answer is not JSON"),
        ('{"cents": NaN}', None, "the answer is not JSON: NaN is not a JSON number"),
        ('{"cents": 1, "cents": 2}', None, "the answer is not JSON: the field 'cents' is given twice"),
        ("[" * 5_000, None, "the answer is not JSON: it is nested too deeply"),
        ('{"reason": "?"}', None, "the answer does not fit: $: must satisfy required"),
        ('{"cents": "4000"}', None, 'the answer does not fit: $.cents: must satisfy type "integer"'),
        ("[]", None, "the answer does not fit"),
        (f'{{"cents": 1, "reason": "{"x" * MAX_ADVICE_BYTES}"}}', None, "advice is an object of at most 8192"),
    ],
    ids=range(10),
)
async def test_advice_is_what_fits_the_schema_and_else_a_problem(
    text: str, advice: dict[str, JsonValue] | None, problem: str
) -> None:
    async with a_bench(world(), ScriptedClaude([says(text)])) as bench:
        outcome = await bench.turn(turn(answer_schema=SCHEMA))
        assert await bench.turn(turn(answer_schema=SCHEMA)) == outcome
    assert outcome.advice == advice
    assert problem in outcome.problem
    assert bool(outcome.problem) == bool(problem)
    assert len(bench.claude.questions) == 1


async def test_without_a_schema_an_answer_is_only_words() -> None:
    async with a_bench(world(), ScriptedClaude([says('{"cents": 1}')])) as bench:
        outcome = await bench.turn(turn())
    assert (outcome.advice, outcome.problem) == (None, "")


async def test_a_proposed_call_to_a_tool_with_a_broken_schema_is_a_problem_and_not_paid_for_twice() -> None:
    toolbox = world()
    toolbox.schemas = {"orders.find": {"type": "objekt"}}
    async with a_bench(toolbox, _asks_then_says()) as bench:
        outcome: TurnOutcome = await bench.turn(turn())
    assert "the schema itself is broken" in outcome.calls[0].problem


# Errors.


@pytest.mark.parametrize("seconds", [None, 0.0, 17.5])
async def test_what_may_pass_is_retried_when_the_server_says(seconds: float | None) -> None:
    async with a_bench(world(), ScriptedClaude([ClaudeUnavailable("429", seconds, "req_1")])) as bench:
        error = await fails(bench, turn())
    assert (error.type, error.non_retryable, error.message) == ("ClaudeUnavailable", False, "429 (request req_1)")
    assert error.next_retry_delay == (None if seconds is None else timedelta(seconds=seconds))


async def test_what_cannot_pass_is_not_retried() -> None:
    async with a_bench(world(), ScriptedClaude([ClaudeRejected("401: no such key", "req_2")])) as bench:
        error = await fails(bench, turn())
    assert (error.type, error.non_retryable) == ("ClaudeRejected", True)
    assert error.message == "401: no such key (request req_2)"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"prompt": "errand/dreaming"}, "PromptBroken", "no prompt 'errand/dreaming'; write activities/prompts/"),
        ({"variables": {"goal": "x"}}, "PromptBroken", "cannot fill in 'turns'; the automation gives goal"),
        ({"tools": ("bank.*",)}, "UnknownServer", "no server 'bank' is declared"),
        ({"turn": 3}, "ConversationLost", "turn 3 of 'errand' has no turn before it in the store"),
    ],
)
async def test_a_mistake_of_the_automation_is_told_once(changes: dict[str, Any], kind: str, said: str) -> None:
    async with a_bench(world(), ScriptedClaude([says(".")])) as bench:
        error = await fails(bench, turn(**changes))
    assert (error.type, error.non_retryable) == (kind, True)
    assert said in error.message
    assert bench.claude.questions == []


async def test_a_turn_after_one_that_was_never_answered_is_lost() -> None:
    async with a_bench(world(), ScriptedClaude([ClaudeUnavailable("529")])) as bench:
        await fails(bench, turn())
        assert (await fails(bench, turn(1))).type == "ConversationLost"


async def test_a_run_without_a_start_record_is_offered_nothing() -> None:
    async with a_bench(world(), ScriptedClaude([says(".")]), registered=False) as bench:
        error = await fails(bench, turn())
    assert (error.type, error.non_retryable) == ("NoStartRecord", True)
    assert bench.claude.questions == []


async def test_a_server_that_is_down_is_waited_for() -> None:
    async with a_bench(Unreachable({"orders.find": {}}), ScriptedClaude([says(".")])) as bench:
        error = await fails(bench, turn(tools=("orders.*",)))
    assert (error.type, error.non_retryable) == ("NotSent", False)
    assert error.message == "a server cannot be reached: orders: connection refused"


class Unreachable(RecordingToolbox):
    """Every server is down."""

    async def definitions(self, server: str) -> Any:
        """Raises NotSent."""
        raise NotSent(f"{server}: connection refused")


async def test_a_prompt_may_choose_model_and_effort(tmp_path: Path) -> None:
    folder = tmp_path / "errand"
    folder.mkdir()
    (folder / "thinking.md").write_text(
        '+++\nmodel = "another"\neffort = "low"\nmax_tokens = 7\n+++\nsystem\n=== user ===\n$goal $turns\n'
    )
    async with a_bench(world(), ScriptedClaude([says(".")]), prompts=tmp_path) as bench:
        await bench.turn(turn())
    question = bench.claude.questions[0]
    assert (question.model, question.effort, question.max_tokens) == ("another", "low", 7)


def _asks_then_says() -> ScriptedClaude:
    return ScriptedClaude([asks_for(FIND), says("Done.")])
