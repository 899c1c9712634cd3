"""Runs from start to outcome, with Claude's real wire format, real MCP servers and the stock Temporal CLI."""

import pytest

from contracts.decisions import Decision, Verdict
from tests.end_to_end.processes import output_of, until
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import Setup, temporal_cli

pytestmark = pytest.mark.many

CUSTOMER = "dana.reeves@example.com"
LATE_ORDERS = "Find the late orders of customer C-7, leave a note in the customer's file and write the customer a mail."


async def signalled(setup: Setup, run: Run, *inputs: str) -> None:
    """`temporal workflow signal`, with these payloads."""
    payloads = [part for each in inputs for part in ("--input", each)]
    named = ("--workflow-id", run.id, "--name", "decide")
    await output_of(*temporal_cli(setup), "workflow", "signal", *named, *payloads)


def as_printed(decision: Decision) -> str:
    return decision.model_dump_json(exclude_none=True)


async def test_a_small_refund_is_issued_marked_and_told_without_anybody(setup: Setup) -> None:
    mails = await setup.mails_counted(CUSTOMER)
    run = await setup.refund("A-17")
    assert await run.ending() == "refunded"
    assert await run.states() == ["intake", "assessing", "ruling", "issuing", "verifying", "refunded"]
    assert await setup.credits_counted("A-17") == 1
    assert await setup.mails_counted(CUSTOMER) == mails + 1


async def test_a_large_refund_is_issued_once_it_is_approved_by_update(setup: Setup) -> None:
    run = await setup.refund("A-18")
    assert await setup.credits_counted("A-18") == 0
    assert (await run.decides(Verdict.APPROVE)).outcome == "approved"
    assert await run.ending() == "refunded"
    assert await setup.credits_counted("A-18") == 1


async def test_bad_signals_do_no_harm_and_a_good_one_of_the_stock_cli_approves(setup: Setup) -> None:
    run = await setup.refund("A-19", limit_cents=90_000)
    good = as_printed(await run.decision(Verdict.APPROVE))
    other = as_printed((await run.decision(Verdict.APPROVE)).model_copy(update={"approval_id": f"{run.id}#7"}))
    bad = [(), (good, good), ('{"verdict": "approve"}',), ('"approve"',), ("[1, 2]",), ("null",), (other,)]
    for inputs in bad:
        await signalled(setup, run, *inputs)
    view = await run.until(lambda seen: seen.refused_count >= len(bad))
    assert view.state == "awaiting_approval", view.reason
    await signalled(setup, run, good)
    assert await run.ending() == "refunded"
    assert await setup.credits_counted("A-19") == 1


async def test_an_errand_waits_with_its_mail_only_and_answers_after_the_approval(setup: Setup) -> None:
    notes, mails = setup.notes_of("C-7"), await setup.mails_counted(CUSTOMER)
    run = await setup.start("errand", goal=LATE_ORDERS, servers=("orders", "crm", "mail"))
    await run.asked()
    await until(lambda: setup.notes_of("C-7") == notes + 1, "the note is taken while the mail waits")
    assert await setup.mails_counted(CUSTOMER) == mails
    await run.decides(Verdict.APPROVE)
    assert await run.ending() == "answered"
    assert await setup.mails_counted(CUSTOMER) == mails + 1
    assert setup.notes_of("C-7") == notes + 1
