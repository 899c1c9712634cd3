"""One trace from the client to the MCP servers, and nothing in any span that people wrote or a tool was told."""

import pytest

from tests.end_to_end.collector import Collector
from tests.end_to_end.processes import until
from tests.end_to_end.setup import Setup

pytestmark = pytest.mark.many

START = "StartWorkflow:refund"
ON_THE_WAY = {
    ("interlock-cli", "interlock runs start"),
    ("interlock-cli", START),
    ("interlock-worker", "RunWorkflow:refund"),
    ("interlock-worker", "RunActivity:ask_claude"),
    ("interlock-worker", "RunActivity:call_tool"),
    ("interlock-worker", "anthropic.messages.create"),
    ("interlock-worker", "MCP send tools/call find_order"),
    ("interlock-worker", "MCP send tools/call issue_credit"),
    ("demo-payments", "tools/call issue_credit"),
    ("demo-mail", "tools/call confirm_refund"),
}
NEVER_EXPORTED = (
    "stoneware serving bowl",
    "lay in the box",
    "soaked through",
    "spoiled part",
    "the complaint says",
    "dana.reeves",
    "purchasing@harbour",
    "Your refund for order",
    "We have credited",
    "open orders of customer",
    "late orders",
)


async def test_client_workflow_activity_claude_and_mcp_servers_share_one_trace(
    setup: Setup, collector: Collector
) -> None:
    run = await setup.refund_by_command()
    assert await run.ending() == "refunded"
    trace_id = ""

    def complete() -> bool:
        nonlocal trace_id
        trace_id = collector.trace_of("interlock-cli", START)
        return {(span.service, span.name) for span in collector.spans() if span.trace_id == trace_id} >= ON_THE_WAY

    await until(complete, "every span has arrived in one trace")


async def test_no_span_of_any_run_carries_what_people_wrote_or_tools_were_told(
    setup: Setup, collector: Collector
) -> None:
    run = await setup.refund_by_command()
    assert await run.ending() == "refunded"
    exported = b"\n".join(collector.bodies)
    assert b"anthropic.messages.create" in exported
    assert [words for words in NEVER_EXPORTED if words.encode() in exported] == []
