"""Production mode, whole: only what people sign has effects, by command, by stock signal and by the Web UI's form."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError

from contracts.decisions import Verdict
from tests.end_to_end.browser import a_browser, chromedriver
from tests.end_to_end.company import SERVICE, Company
from tests.end_to_end.processes import output_of, until
from tests.end_to_end.setup import started
from tests.end_to_end.skills_clients import over_stdio
from tests.workflows.hotel_world import RUTH, UNTOUCHED, books_in
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
BY_CLIENT: dict[str, dict[str, Any]] = {
    "upsert_contact": {
        "email": "elena.marchetti@example.com",
        "first_name": "Elena",
        "last_name": "Marchetti-Rossi",
        "contact_type": "guest",
    },
    "check_in_guest": {"guest_email": "noor.haddad@example.com", "booking_number": "B-2052"},
    "submit_guest_service_request": {
        "idempotency_token": "client-1",
        "person": "Aiko Tanaka",
        "room_number": "118",
        "type": "pillows",
        "priority": "low",
        "description": "One more pillow.",
    },
    "submit_maintenance_request": {
        "idempotency_token": "client-2",
        "person": "Aiko Tanaka",
        "room_number": "118",
        "type": "heating",
        "priority": "normal",
        "description": "It is cold.",
    },
    "guest_checkout": RUTH | {"booking_number": "B-2044"},
}
"""Skill -> what the front desk asks for."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    """Roster, rules and tools are in force."""
    company = Company.within(tmp_path_factory.mktemp("company"))
    try:
        await company.dev.start()
        await company.enrol()
        await company.apply()
        await company.activate()
        await company.pin()
        yield company
    finally:
        await company.dev.end()


def payment_of(data: Path, booking: str) -> str:
    """The number of the payment for a stay, from the provider's own books."""
    with closing(sqlite3.connect(f"file:{data / 'payments.db'}?mode=ro", uri=True)) as connection:
        query = "SELECT max(number) FROM authorisations WHERE booking_number = ?"
        return f"AU-{1000 + connection.execute(query, (booking,)).fetchone()[0]}"


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
    data = company.dev.facts().folder / "demo"
    for name, ending in BY_COMMAND.items():
        asked = ("runs", "start", name.replace("-", "_"), "--from", str(REQUESTS / f"{name}.json"))
        assert f"ended: {ending}" in await company.dev.interlock(*asked, "--as", "rita", "--wait")
    compensating = ("runs", "start", "compensate_checkout_failure", "--from", str(COMPENSATION))
    paid = ("--set", f"payment_intent_id={payment_of(data, 'B-2041')}")
    refused = await company.dev.answer_to(*compensating, *paid, "--as", "rita", "--wait", "--set", "reason=too dear")
    started = json.loads(await company.dev.interlock(*compensating, *paid, "--as", "mira", "--json", "--again", "mine"))
    run = await company.run(started["run"])
    await company.waits(run)
    decided = await company.dev.interlock("approvals", "approve", f"{run.id}#1", "--as", "fiona", "--wait")

    assert (refused.code, "ended: declined" in refused.out) == (1, True), "managers alone"
    assert "ended: compensated" in decided
    assert books_in(data, "B-2041") == UNTOUCHED.model_copy(update={"open_tasks": books_in(data, "B-2041").open_tasks})


async def test_all_skills_of_the_hotel_are_started_from_an_mcp_client(company: Company, tmp_path: Path) -> None:
    data, address = company.dev.facts().folder / "demo", company.dev.facts().temporal_address
    signed_by, variables = ("--service", SERVICE), company.dev.variables
    ended = {}
    async with over_stdio(address, "rita", tmp_path / "rita", *signed_by, environment=variables) as desk:
        for skill, asked in BY_CLIENT.items():
            started = (await desk.call_tool(skill, asked)).structured_content
            again = (await desk.call_tool(skill, asked)).structured_content
            waited = await desk.call_tool("wait_for_run", {"run": started["run"]})
            ended[skill] = waited.structured_content["state"]
            assert (started["run"], again["attached"]) == (again["run"], True)
    payment = {"payment_intent_id": payment_of(data, "B-2044"), "guest_email": RUTH["guest_email"]}
    async with over_stdio(address, "sam", tmp_path / "sam", *signed_by, environment=variables) as manager:
        asked = payment | {"idempotency_token": "sam-1"}
        started = (await manager.call_tool("compensate_checkout_failure", asked)).structured_content
        run = await company.run(started["run"])
        await company.waits(run)
        given = {"request": f"{run.id}#1", "statement": await company.signed(run)}
        await manager.call_tool("approve", given)
        waited = await manager.call_tool("wait_for_run", {"run": run.id, "for_people": True})

    assert ended == {
        "upsert_contact": "updated",
        "check_in_guest": "checked_in",
        "submit_guest_service_request": "submitted",
        "submit_maintenance_request": "submitted",
        "guest_checkout": "checked_out",
    }
    assert waited.structured_content["state"] == "compensated"
    assert books_in(data, "B-2044").booking == "in_house"
    assert books_in(data, "B-2044").captured_cents == 0
