"""The Claude client against the demo's simulator: somebody else's idea of the Messages API."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from activities.claude_port import ClaudeQuestion, ClaudeRejected, ClaudeTool, ClaudeUnavailable
from tests.workers.resources.doubles import ROOT
from workers.resources.claude import AnthropicClaude

TOOLS = tuple(
    ClaudeTool(name=name, description="reads", input_schema={"type": "object", "properties": {"order_id": {}}})
    for name in ("crm__read_complaint", "orders__find_order")
)
QUESTION = ClaudeQuestion(
    model="claude-sonnet-5-5",
    max_tokens=1000,
    system="Automation: refund. State: assessing.",
    messages=[{"role": "user", "content": "order_id: A-17\ncustomer_id: c1\ncomplaint: broken"}],
    tools=TOOLS,
)


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[str]:
    command = [sys.executable, "-m", "demo.claude_simulator", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = re.search(r"http\S+", process.stdout.readline())
        assert address
        yield address[0]
        process.terminate()


@pytest.fixture
async def claude(simulator: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AnthropicClaude]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    client = await AnthropicClaude.connect({}, base_url=simulator)
    yield client
    await client.aclose()


async def expect(simulator: str, **fault: Any) -> None:
    async with httpx2.AsyncClient() as http:
        (await http.post(f"{simulator}/simulator/faults", json=[fault])).raise_for_status()


async def test_a_turn_asks_for_tools_and_its_thinking_may_be_sent_back(claude: AnthropicClaude) -> None:
    answer = await claude.ask(QUESTION)
    assert answer.stop_reason == "tool_use" and answer.request_id.startswith("req_")
    assert answer.usage.output_tokens > 0
    blocks = [block for block in answer.content if isinstance(block, dict)]
    assert blocks[0]["type"] == "thinking"
    calls = [block for block in blocks if block["type"] == "tool_use"]
    assert calls and all(block["input"] == {"order_id": "A-17"} for block in calls)
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": "nothing found", "is_error": True}
        for call in calls
    ]
    messages = [
        *QUESTION.messages,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": results},
    ]
    # The simulator seals its thinking blocks and refuses them when they come back changed; what its script makes of
    # the results is not our business here.
    try:
        await claude.ask(QUESTION.model_copy(update={"messages": messages}))
    except ClaudeRejected as error:
        pytest.fail(f"the blocks did not survive the way back: {error}")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 529},
        {"kind": "cut", "after_events": 3},
        {"kind": "cut"},
        {"kind": "end_early", "after_events": 3},
        {"kind": "sse_error", "after_events": 2},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
async def test_what_passes_may_be_asked_again(claude: AnthropicClaude, simulator: str, fault: dict[str, Any]) -> None:
    await expect(simulator, **fault)
    with pytest.raises(ClaudeUnavailable):
        await claude.ask(QUESTION)
    assert (await claude.ask(QUESTION)).stop_reason == "tool_use"


async def test_a_wait_asked_for_is_passed_on(claude: AnthropicClaude, simulator: str) -> None:
    await expect(simulator, kind="status", status=429, headers={"retry-after": "2"})
    with pytest.raises(ClaudeUnavailable) as caught:
        await claude.ask(QUESTION)
    assert caught.value.retry_after_seconds == 2.0


async def test_somebody_elses_page_is_rejected(claude: AnthropicClaude, simulator: str) -> None:
    await expect(simulator, kind="html")
    with pytest.raises(ClaudeRejected, match="text/html"):
        await claude.ask(QUESTION)


async def test_tool_arguments_cut_by_the_token_limit_are_left_out(claude: AnthropicClaude, simulator: str) -> None:
    whole = await claude.ask(QUESTION)
    await expect(simulator, kind="truncate_tool_arguments")
    answer = await claude.ask(QUESTION)
    assert answer.stop_reason == "max_tokens"
    assert len(answer.content) == len(whole.content) - 1
