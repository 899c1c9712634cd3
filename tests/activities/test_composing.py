"""What Claude sees of a conversation: everything at first, later the old in short, and always what a model can read."""

from typing import Any

from pydantic import JsonValue

from activities.composing import composed, text_block
from activities.conversations import Delta

FULL = "120 rows"


def call(turn: int) -> dict[str, JsonValue]:
    """The tool call of a turn."""
    return {"type": "tool_use", "id": f"toolu_{turn}", "name": "orders__find", "input": {}}


def result(turn: int, **more: JsonValue) -> dict[str, JsonValue]:
    """What came of the call of the turn before."""
    return {"type": "tool_result", "tool_use_id": f"toolu_{turn - 1}", "content": f"{FULL} {turn}"} | more


def delta(turn: int, answered: bool = True, **more: Any) -> Delta:
    """A turn that asks for a tool and had the result of the one before."""
    user: list[JsonValue] = [text_block("goal")] if turn == 0 else [result(turn, older=f"[r{turn - 1}.0]")]
    return Delta(turn=turn, **{"user": user, "assistant": [call(turn)] if answered else None} | more)


def conversation(turns: int, **last: Any) -> tuple[Delta, ...]:
    """So many turns, the last one unanswered."""
    return (*(delta(turn) for turn in range(turns - 1)), delta(turns - 1, answered=False, **last))


def contents(messages: list[dict[str, JsonValue]]) -> list[str]:
    """What the results in messages say, in order."""
    kept = [message["content"] for message in messages if isinstance(message["content"], list)]
    blocks = [block for content in kept for block in content if isinstance(block, dict)]
    return [str(block["content"]) for block in blocks if block.get("type") == "tool_result"]


def ids(message: dict[str, JsonValue], kind: str, name: str) -> list[JsonValue]:
    """By what the blocks of a kind name a call."""
    content = message["content"]
    assert isinstance(content, list)
    return [block[name] for block in content if isinstance(block, dict) and block["type"] == kind]


def test_a_short_conversation_is_shown_in_full() -> None:
    seen = composed(conversation(3), "scripted")
    assert [message["role"] for message in seen.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert contents(seen.messages) == [f"{FULL} 1", f"{FULL} 2"]
    assert seen.settled == ()
    assert "older" not in str(seen.messages)


def test_results_before_the_cut_are_shown_as_their_lines() -> None:
    seen = composed(conversation(5, stubbed_before=3), "scripted")
    assert contents(seen.messages) == ["[r0.0]", "[r1.0]", f"{FULL} 3", f"{FULL} 4"]
    assert seen.settled == (4,), "the message of turn 2 is the last one that will not change"


def test_a_result_without_a_line_of_its_own_stays_as_it_was() -> None:
    short = delta(1, user=[result(1)])
    seen = composed((delta(0), short, delta(2, answered=False, stubbed_before=2)), "scripted")
    assert contents(seen.messages) == [f"{FULL} 1", f"{FULL} 2"]


def test_when_a_cut_moves_the_earlier_one_is_marked_too_for_it_is_cached() -> None:
    deltas = (*(delta(turn) for turn in range(5)), delta(5, stubbed_before=2), delta(6, False, stubbed_before=5))
    assert composed(deltas, "scripted").settled == (2, 8)


def test_until_a_cut_moves_earlier_messages_do_not_change() -> None:
    before = composed((*(delta(n) for n in range(5)), delta(5, False, stubbed_before=3)), "scripted").messages
    after = composed(
        (*(delta(n) for n in range(5)), delta(5, stubbed_before=3), delta(6, False, stubbed_before=3)), "m"
    )
    assert after.messages[: len(before)] == before


def test_turns_before_the_fold_are_told_in_the_first_message() -> None:
    deltas = (delta(0), *(delta(turn) for turn in range(3, 6)), delta(6, False, stubbed_before=4, folded_before=3))
    seen = composed(deltas, "scripted", folded="[turns 1 to 3 are not shown]")
    assert [message["role"] for message in seen.messages] == ["user", "assistant"] * 3 + ["user"]
    assert seen.messages[0]["content"] == [text_block("goal"), text_block("[turns 1 to 3 are not shown]")]
    assert seen.messages[1]["content"] == [call(3)], "the answer whose results are shown is the first one"
    assert contents(seen.messages) == [f"{FULL} 4", f"{FULL} 5", f"{FULL} 6"]


def test_every_result_answers_a_call_of_the_message_before_wherever_the_cuts_are() -> None:
    for folded in range(8):
        shown = (delta(0), *(delta(turn) for turn in range(max(1, folded), 9)))
        last = delta(9, answered=False, folded_before=folded, stubbed_before=max(folded, 5))
        messages = composed((*shown, last), "scripted", folded="[not shown]").messages
        assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2) + ["user"]
        assert ids(messages[0], "tool_result", "tool_use_id") == [], "nothing was asked before the first message"
        for asked, told in zip(messages[1::2], messages[2::2], strict=True):
            assert ids(asked, "tool_use", "id") == ids(told, "tool_result", "tool_use_id") != []


def test_thinking_goes_back_to_the_model_that_thought_and_to_no_other() -> None:
    thinking: JsonValue = {"type": "thinking", "thinking": "hm", "signature": "sealed=="}
    sealed: JsonValue = {"type": "redacted_thinking", "data": "x"}
    thought = delta(0, assistant=[thinking, sealed, call(0)], asked_of="claude-sonnet-5-5")
    deltas = (thought, delta(1, answered=False))
    assert composed(deltas, "claude-sonnet-5-5").messages[1]["content"] == [thinking, sealed, call(0)]
    assert composed(deltas, "claude-opus-5-5").messages[1]["content"] == [call(0)]


def test_an_empty_answer_is_left_out_because_the_api_takes_none() -> None:
    asked, again = text_block("first"), text_block("second")
    deltas = (Delta(turn=0, user=[asked], assistant=[]), Delta(turn=1, user=[again]))
    assert composed(deltas, "scripted").messages == [{"role": "user", "content": [asked, again]}]
