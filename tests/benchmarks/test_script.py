"""The benchmark's script: it answers from values found in the request, and fails without them."""

import json
from typing import Any

import pytest

from benchmarks.exchange import Asked
from benchmarks.goals import PAGE, READ_RESULT, Reading
from benchmarks.mcp_server.books import WrongCode, check, code, page, recalled_row
from benchmarks.messages_api.request import Request, read_request
from benchmarks.messages_api.script import Answer, Missing, answer, goal_of
from benchmarks.messages_api.server import MessagesApi

SEED, SIZE = "seed", 20 * 1024
GOAL = Reading("b", 45, SIZE)
STUB = '[r2.0 bench.page: table, 238 rows, 20.1 KiB; read_result("r2.0") shows it]'
ROW = recalled_row(SIZE)


def conversation(*calls: tuple[str, dict[str, Any], str], tools: tuple[str, ...] = (PAGE,)) -> Request:
    """The goal, and calls with what came back of each."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": f"goal:\n{GOAL.words}"}]}]
    for number, (name, arguments, text) in enumerate(calls):
        use = {"type": "tool_use", "id": f"t{number}", "name": name, "input": arguments}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": text}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return Request("claude-x", [], messages, [{"name": name} for name in tools], True, False)


def page_call(number: int, text: str = "") -> tuple[str, dict[str, Any], str]:
    """A page that was read, and what is shown of it."""
    return PAGE, {"number": number}, text or page(SEED, GOAL.book, number, SIZE)


def says(request: Request) -> Answer:
    """The script's answer."""
    return answer(request, goal_of(request))


def test_the_next_page_is_asked_for_with_the_code_that_stands_on_the_last_one() -> None:
    said = says(conversation(page_call(1), page_call(2)))
    assert said.arguments == {"book": "b", "number": 3, "page_bytes": SIZE, "code": code(SEED, "b", 2, 1)}


def test_a_code_that_is_not_shown_fails_the_run() -> None:
    with pytest.raises(Missing, match="row 1 of page 2"):
        says(conversation(page_call(1), page_call(2, "nothing to see")))


def test_page_forty_takes_a_value_from_the_middle_of_page_three() -> None:
    shown = says(conversation(page_call(3), page_call(39)))
    assert shown.arguments is not None
    assert shown.arguments["recalled"] == code(SEED, "b", 3, ROW)
    with pytest.raises(Missing, match=f"row {ROW} of page 3"):
        says(conversation(page_call(3, STUB), page_call(39)))


def test_an_old_result_that_is_only_named_is_looked_at_again() -> None:
    tools = (PAGE, READ_RESULT)
    first = says(conversation(page_call(3, STUB), page_call(39), tools=tools))
    assert (first.tool, first.arguments) == (READ_RESULT, {"ref": "r2.0", "rows": f"{ROW}-{ROW}"})
    looked = (READ_RESULT, first.arguments or {}, json.dumps({"code": code(SEED, "b", 3, ROW)}))
    then = says(conversation(page_call(3, STUB), page_call(39), looked, tools=tools))
    assert then.tool == PAGE
    assert (then.arguments or {})["recalled"] == code(SEED, "b", 3, ROW)


def test_a_look_that_shows_nothing_is_tried_once_more_by_words_and_then_fails() -> None:
    tools = (PAGE, READ_RESULT)
    failed = (READ_RESULT, {"ref": "r2.0", "rows": f"{ROW}-{ROW}"}, "no such rows")
    second = says(conversation(page_call(3, STUB), page_call(39), failed, tools=tools))
    assert second.arguments == {"ref": "r2.0", "query": f"p3.{ROW}-"}
    with pytest.raises(Missing, match="says 'nothing'"):
        says(
            conversation(
                page_call(3, STUB), page_call(39), failed, (READ_RESULT, second.arguments, "nothing"), tools=tools
            )
        )


def test_the_last_page_ends_the_conversation() -> None:
    said = says(conversation(page_call(45)))
    assert said == Answer(f"I have read 45 pages. The last one begins with {code(SEED, 'b', 45, 1)}.")


def test_the_server_refuses_pages_without_what_they_take() -> None:
    check(SEED, "b", 2, SIZE, code(SEED, "b", 1, 1), "")
    with pytest.raises(WrongCode, match="page 2"):
        check(SEED, "b", 2, SIZE, code("other", "b", 1, 1), "")
    with pytest.raises(WrongCode, match="page 40"):
        check(SEED, "b", 40, SIZE, code(SEED, "b", 39, 1), "")


def test_a_page_has_about_the_size_that_was_asked_for() -> None:
    for size in (1024, SIZE):
        assert 0.9 < len(page(SEED, "b", 3, size)) / size < 1.1


def test_what_the_script_misses_is_an_error_of_the_api_and_is_remembered() -> None:
    api = MessagesApi()
    body = {"model": "claude-x", "max_tokens": 1, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": "Bearer x", "anthropic-version": "2026-10-21"}
    answered = api.handle(Asked("POST", "/v1/messages", headers, json.dumps(body).encode()))
    assert answered.status == 400
    assert "goal" in api.refused[0]


def test_a_tool_call_without_its_result_is_refused() -> None:
    messages = conversation(page_call(1)).messages
    del messages[2]["content"][0]
    messages[2]["content"] = [{"type": "text", "text": "go on"}]
    body = {"model": "claude-x", "max_tokens": 1, "messages": messages}
    headers = {"authorization": "Bearer x", "anthropic-version": "2026-10-21"}
    with pytest.raises(ValueError, match="tool_result"):
        read_request(Asked("POST", "/v1/messages", headers, json.dumps(body).encode()))
