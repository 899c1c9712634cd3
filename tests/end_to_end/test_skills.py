"""`interlock mcp serve` as processes: a front desk's client over stdio, callers with tokens over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError

from tests.end_to_end.setup import Setup
from tests.end_to_end.skills_clients import Era, http_endpoint, over_http, over_stdio
from tests.workers.resources.skills import STAFF, TokenIssuer, skills_of

pytestmark = pytest.mark.many
ERAS: tuple[Era, ...] = ("auto", "legacy")


def answered(result: Any) -> Any:
    assert not result.is_error, result.content
    return result.structured_content


@pytest.mark.parametrize("era", ERAS)
async def test_a_front_desks_client_starts_a_refund_over_stdio_and_follows_it_to_its_end(
    setup: Setup, tmp_path: Path, era: Era
) -> None:
    order = next(setup.orders)
    told: list[str | None] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with over_stdio(setup.planned.temporal.address, f"rita of {order}", tmp_path / "log", era=era) as client:
        offered = [tool.name for tool in (await client.list_tools()).tools]
        started = answered(await client.call_tool("refund", {"order_id": order}))
        ended = answered(await client.call_tool("wait_for_run", {"run": started["run"]}, progress_callback=progressed))

    assert offered[:2] == ["refund", "errand"]
    assert (ended["state"], ended["good"]) == ("refunded", True)
    assert told[-1] == f"refund/{order}: refunded"
    assert await setup.credits_counted(order) == 1


async def test_callers_over_http_bring_a_token_and_are_offered_what_their_persona_is(
    setup: Setup, tmp_path: Path
) -> None:
    issuer = TokenIssuer(STAFF)
    skills_of(tmp_path, issuer)
    named = ("--skills", str(tmp_path / "skills.toml"), "--address", setup.planned.temporal.address)
    async with http_endpoint(tmp_path, *named) as url:
        for era in ERAS:
            async with over_http(url, issuer.token(sub=f"nora-{era}", role="guest"), era) as client:
                offered = [tool.name for tool in (await client.list_tools()).tools]
                with pytest.raises(MCPError, match="Unknown tool: refund"):
                    await client.call_tool("refund", {"order_id": next(setup.orders)})
                goal = {"goal": "Tell me the open orders of customer C-7.", "name": f"skills-{era}"}
                started = answered(await client.call_tool("errand", {**goal, "servers": ["orders"]}))
                ended = answered(await client.call_tool("wait_for_run", {"run": started["run"]}))
            assert offered == ["errand", "run_status", "wait_for_run", "cancel_run"]
            assert (ended["state"], bool(ended["answer"])) == ("answered", True)
        async with over_http(url, issuer.token(sub="nobody")) as client:
            assert (await client.list_tools()).tools == []
        async with over_http(url, issuer.token(sub="ned", role="guest")) as client:
            theirs = await client.call_tool("run_status", {"run": started["run"]})
            assert theirs.is_error
