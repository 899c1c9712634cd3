"""Production mode from its first minute: what nobody has put in force yet has no effect, and the way out is named."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.end_to_end.company import WHY, Company

pytestmark = pytest.mark.many


@pytest_asyncio.fixture(loop_scope="session")
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    """Everybody has a key, and nothing is in force."""
    company = Company.within(tmp_path)
    try:
        await company.dev.start()
        await company.enrol()
        yield company
    finally:
        await company.dev.end()


async def test_a_run_goes_no_further_than_what_is_in_force(company: Company) -> None:
    run = await company.asks_for("H-0004")
    await run.until_failing("register_run", "no roster is in force; make one active with `interlock approvers apply`")
    said = await company.dev.answer_to("policy", "activate", "--as", "olga", *WHY)
    assert said.code == 1
    assert "no roster is in force" in said.err
    assert "then run `interlock approvers apply`" in said.err

    await company.apply()
    await run.until_failing("open_request", "no policy is in force; make one active with `interlock policy activate`")
    await company.activate()
    escalation = await run.asked()
    assert "orders.find_order was never accepted" in escalation.title
    assert "interlock tools pin orders.find_order" in escalation.title
    assert await company.credits_of(run) == 0

    await company.pin()
    await company.dev.interlock("approvals", "retry", f"{run.id}#1", "--as", "fiona")
    await run.asked(2)
    await company.dev.interlock("approvals", "approve", f"{run.id}#2", "--as", "fiona")
    assert await run.ending() == "refunded"
    assert await company.credits_of(run) == 1
