"""What the benchmark's Messages API counts of the requests it is sent."""

from typing import Any

import pytest

from benchmarks.messages_api.request import Refused, Request
from benchmarks.messages_api.watching import Watch, blocks_of, common_prefix

MARK = {"cache_control": {"type": "ephemeral"}}


def request(*texts: str, tools: tuple[str, ...] = ("page",), marked: int = -1) -> Request:
    """A conversation in which user and assistant take turns."""
    messages: list[dict[str, Any]] = [
        {"role": ("user", "assistant")[number % 2], "content": [{"type": "text", "text": text}]}
        for number, text in enumerate(texts)
    ]
    messages[marked]["content"][-1] |= MARK
    return Request("claude-x", [], messages, [{"name": name} for name in tools], True, False)


def shared(before: Request, now: Request) -> float:
    """The share of `now` that begins as `before` did."""
    blocks = list(blocks_of(now))
    return common_prefix(list(blocks_of(before)), blocks) / sum(len(block.text) for block in blocks)


def test_a_request_that_was_only_appended_to_begins_wholly_as_the_one_before() -> None:
    before, now = request("goal"), request("goal", "yes", "and")
    assert common_prefix(list(blocks_of(before)), list(blocks_of(now))) == sum(
        len(block.text) for block in blocks_of(before)
    )


def test_a_breakpoint_that_moved_on_changes_nothing() -> None:
    assert shared(request("goal", "yes", "and", marked=0), request("goal", "yes", "and", marked=2)) == 1.0


def test_another_tool_at_the_beginning_leaves_nothing_the_same() -> None:
    assert shared(request("goal", tools=("page",)), request("goal", tools=("other",))) < 0.3


def test_a_message_changed_in_its_middle_counts_as_far_as_it_is_the_same() -> None:
    whole, changed = request("a" * 1000), request("a" * 500 + "b" * 500)
    assert 0.45 < shared(whole, changed) < 0.55


def test_the_cache_reads_what_was_written_at_the_breakpoint_before() -> None:
    watch = Watch()
    first = watch.look("one", request("goal"), 10)
    second = watch.look("one", request("goal", "yes", "and"), 20)
    assert (first.cached, first.same) == (0, 0)
    assert second.cached == first.composed == second.same


def test_the_cache_reads_nothing_once_the_beginning_has_changed() -> None:
    watch = Watch()
    watch.look("one", request("goal"), 10)
    assert watch.look("one", request("another goal", "yes", "and"), 20).cached == 0


def test_conversations_are_compared_with_themselves_alone() -> None:
    watch = Watch()
    watch.look("one", request("goal"), 10)
    assert watch.look("other", request("goal"), 10).same == 0


def test_five_breakpoints_are_refused_as_the_api_refuses_them() -> None:
    crowded = request("1", "2", "3", "4", "5")
    for message in crowded.messages:
        message["content"][-1] |= MARK
    with pytest.raises(Refused, match="maximum of 4"):
        Watch().look("one", crowded, 1)
