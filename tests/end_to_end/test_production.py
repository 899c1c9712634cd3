"""Production mode, whole: only what people sign has effects, by command, by stock signal and by the Web UI's form."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError

from contracts.decisions import Verdict
from tests.end_to_end.browser import a_browser, chromedriver
from tests.end_to_end.company import SERVICE, Company, a_company
from tests.end_to_end.processes import output_of, until
from tests.end_to_end.setup import started
from tests.end_to_end.skills_clients import over_stdio
from tests.workflows.hotel_world import UNTOUCHED, books_in
from workers.embedded.temporal_server import temporal_binary
from workers.settings import REPOSITORY

pytestmark = pytest.mark.many

UNSIGNED = "unsigned decisions count in development mode only; this deployment runs in production: make a key"
DIALOG = "//dialog[@open]"
REQUESTS = REPOSITORY / "demo" / "requests"
COMPENSATION = REQUESTS / "compensate_checkout_failure.json"
BY_COMMAND = {
    "upsert_contact": "created",
    "check_in_guest": "checked_in",
    "submit_guest_service_request": "submitted",
    "submit_maintenance_request": "room_closed",
    "guest_checkout": "checked_out",
}
"""Request of the demo -> how it ends; the sixth skill is for managers."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    """Roster, rules and tools are in force."""
    async with a_company(tmp_path_factory.mktemp("company")) as company:
        yield company


async def test_a_refund_approved_by_command_is_credited_once(company: Company) -> None:
    run = await company.asks_for("H-0004")
    await company.waits(run)
    said = await company.dev.interlock("approvals", "approve", f"{run.id}#1", "--as", "fiona", "--wait")
    assert "ended: refunded, 60.00 EUR credited for order H-0004" in said
    assert await company.credits_of(run) == 1


async def test_a_refund_approved_by_the_stock_command_lines_signal_is_credited_once(company: Company) -> None:
    run = await company.asks_for("H-0005")
    await company.waits(run)
    named = ("--workflow-id", run.id, "--name", "decide", "--input", await company.signed(run))
    address = ("--address", company.dev.facts().temporal_address)
    await output_of(temporal_binary(), *address, "workflow", "signal", *named)
    assert await run.ending() == "refunded"
    assert await company.credits_of(run) == 1
    assert "whole" in await company.dev.interlock("audit", "verify")


async def test_a_refund_approved_in_the_web_uis_form_is_credited_once(company: Company, tmp_path: Path) -> None:
    driver = chromedriver()
    if driver is None:
        pytest.skip("no chromedriver is installed here; on Debian it is in the package chromium-driver")
    run = await company.asks_for("H-0006")
    await company.waits(run)
    decision = await company.signed(run)
    async with a_browser(driver, tmp_path / "profile") as browser:
        page = company.dev.facts().web_ui
        await browser.open(f"{page}/namespaces/{run.namespace}/workflows/{run.id.replace('/', '%2F')}")
        await browser.click("//button[contains(., 'More Actions')]")
        await browser.click("//*[@role = 'menuitem'][contains(., 'Send a Signal')]")
        await browser.click(f"{DIALOG}//button[@data-testid = 'signal-select-button']")
        await browser.click(f"{DIALOG}//li[@role = 'option'][.//span[text() = 'decide']]")
        await browser.paste(f"{DIALOG}//*[@role = 'textbox']", decision)
        await browser.screenshot(tmp_path / "form.png")

        async def submitted() -> bool:
            """The first click may only lay the JSON out anew."""
            await browser.click_if_there(f"{DIALOG}//button[contains(., 'Submit')]")
            return not await browser.sees(DIALOG)

        await until(submitted, "the form is submitted")
        assert await run.ending() == "refunded"
        await browser.until_seen("//*[contains(., 'credited for order H-0006')]")
        await browser.screenshot(tmp_path / "ended.png")
    assert await company.credits_of(run) == 1


async def test_a_front_desks_client_asks_and_what_fiona_signed_elsewhere_counts(
    company: Company, tmp_path: Path
) -> None:
    address, log = company.dev.facts().temporal_address, tmp_path / "log"
    signed_by = ("--service", SERVICE)
    async with over_stdio(address, "rita", log, *signed_by, environment=company.dev.variables) as client:
        started = await client.call_tool("refund", {"order_id": "H-0013"})
        run = await company.run("refund/H-0013")
        await company.waits(run)
        waits = await client.call_tool("wait_for_run", {"run": run.id})
        unsigned = await client.call_tool("approve", {"request": f"{run.id}#1"})
        given = {"request": f"{run.id}#1", "statement": await company.signed(run)}
        decided = await client.call_tool("approve", given)
        ended = await client.call_tool("wait_for_run", {"run": run.id})

    answers = [result.structured_content for result in (started, waits, unsigned, decided, ended)]
    assert [answers[0]["run"], answers[1]["state"]] == [run.id, "awaiting_approval"]
    assert [answers[2]["decided"], answers[3]["decided"], answers[3]["outcome"]] == [False, True, "approved"]
    assert answers[4]["state"] == "refunded"
    assert (await run.view()).requester == "rita"
    assert await company.credits_of(run) == 1


async def test_skills_are_not_served_in_production_without_the_key_of_a_service(company: Company) -> None:
    without = await company.dev.answer_to("mcp", "serve")
    of_a_person = await company.dev.answer_to("mcp", "serve", "--service", "fiona")

    assert (without.code, of_a_person.code) == (2, 1)
    assert "name it with --service or INTERLOCK_SERVICE" in without.err
    assert "'fiona' is no service of the roster in force" in of_a_person.err


async def test_a_start_that_nobody_signed_is_refused_with_the_way_out(company: Company) -> None:
    said = await company.dev.answer_to("runs", "start", "refund", "--set", "order_id=H-0011", "--as", "ruben")
    assert said.code == 1
    assert "starts must be signed" in said.err
    assert "make one with `interlock approvers enrol ruben`" in said.err
    run = await started(await company.client(), company.dev.facts().deployment, "refund", order_id="H-0011")
    assert await run.ending() == "cancelled"
    assert "interlock approvers enrol" in (await run.view()).reason
    assert await run.states() == ["cancelled"]


async def test_a_decision_that_nobody_signed_is_refused_with_the_way_out(company: Company) -> None:
    run = await company.asks_for("H-0012")
    await company.waits(run)
    said = await company.dev.answer_to("approvals", "approve", f"{run.id}#1", "--as", "frank")
    assert said.code == 1
    assert "make one with `interlock approvers enrol frank`" in said.err
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.decides(Verdict.APPROVE, by="fiona")
    assert UNSIGNED in str(refused.value.cause)
    await run.handle.signal("decide", await run.decision(Verdict.APPROVE, by="fiona"))
    view = await run.until(lambda seen: seen.refused_decisions)
    assert UNSIGNED in view.refused_decisions[0].reason
    assert view.state == "awaiting_approval"
    assert await company.credits_of(run) == 0


async def test_all_skills_of_the_hotel_are_started_from_the_command_line(company: Company) -> None:
    data = company.data
    for name, ending in BY_COMMAND.items():
        asked = ("runs", "start", name, "--from", str(REQUESTS / f"{name}.json"))
        assert f"ended: {ending}" in await company.dev.interlock(*asked, "--as", "rita", "--wait")
    compensating = ("runs", "start", "compensate_checkout_failure", "--from", str(COMPENSATION))
    paid = ("--set", f"payment_intent_id={company.payment_of('B-2041')}")
    refused = await company.dev.answer_to(*compensating, *paid, "--as", "rita", "--wait", "--set", "reason=too dear")
    started = json.loads(await company.dev.interlock(*compensating, *paid, "--as", "mira", "--json", "--again", "mine"))
    run = await company.run(started["run"])
    await company.waits(run)
    decided = await company.dev.interlock("approvals", "approve", f"{run.id}#1", "--as", "fiona", "--wait")

    assert (refused.code, "ended: declined" in refused.out) == (1, True), "managers alone"
    assert "ended: compensated" in decided
    assert books_in(data, "B-2041") == UNTOUCHED.model_copy(update={"open_tasks": books_in(data, "B-2041").open_tasks})
