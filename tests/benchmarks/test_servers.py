"""The benchmark's two servers speak their protocols: the SDKs of Claude and MCP work with them, as real processes."""

from itertools import pairwise
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic
from mcp import Client
from temporalio.testing import ActivityEnvironment

from benchmarks.goals import PAGE, reading_of_turns
from benchmarks.loop.activities import Activities, tools_of
from benchmarks.loop.messages import Call, Question, Reply
from benchmarks.messages_api.watching import Seen
from benchmarks.world.outside import Outside, ScriptFailed, an_outside
from workers.embedded.environment import NOT_A_KEY

GOAL = reading_of_turns("b", turns=4, page_bytes=1024)


async def read(activities: Activities) -> Reply:
    """Read the book as the loop does; the last reply."""
    messages: list[object] = [{"role": "user", "content": f"goal:\n{GOAL.words}"}]
    for _ in range(10):
        reply: Reply = await ActivityEnvironment().run(activities.ask, Question(messages=messages))
        if reply.stop_reason != "tool_use":
            return reply
        call = Call.model_validate(next(block for block in reply.content if block["type"] == "tool_use"))
        assert call.name == PAGE
        text: str = await ActivityEnvironment().run(activities.call, call)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": text}
        messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    raise AssertionError("it did not come to an end")


async def test_a_book_is_read_to_its_end_and_everything_that_was_sent_is_counted(tmp_path: Path) -> None:
    async with (
        an_outside(tmp_path, seed=1) as outside,
        AsyncAnthropic(api_key=NOT_A_KEY, base_url=outside.api_url, max_retries=0) as claude,
        Client(outside.mcp_url) as server,
    ):
        activities = Activities(claude, server, await tools_of(server))
        said = (await read(activities)).content[0]["text"]
        assert said.startswith("I have read 3 pages. The last one begins with p3.1-")
        assert (await outside.counts()).calls("b") == 3
        _check_sent((await outside.take())["b"])
        await _a_wrong_code_is_told(activities, outside)


def _check_sent(seen: list[Seen]) -> None:
    """Each request begins as the one before, of which a cache reads all that was marked."""
    assert len(seen) == GOAL.pages + 1
    assert all(now.same == before.composed for before, now in pairwise(seen))
    assert all(now.cached == before.composed for before, now in pairwise(seen))
    assert all(0.8 < each.sent / each.composed < 1.5 for each in seen)


async def _a_wrong_code_is_told(activities: Activities, outside: Outside) -> None:
    wrong = Call(id="x", name=PAGE, input={"book": "b", "number": 2, "page_bytes": 1024, "code": "guessed"})
    with pytest.raises(RuntimeError, match="takes the code of row 1 of page 1"):
        await ActivityEnvironment().run(activities.call, wrong)
    with pytest.raises(ScriptFailed, match="1 requests were refused"):
        await outside.counts()
    await outside.forget_refusals()
    assert (await outside.counts()).calls("b") == 3
