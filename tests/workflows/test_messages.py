"""Decisions as they arrive: whatever is sent, in whatever number, the run stays well and a valid decision counts."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import MAX_DECISION_BYTES, Decision, Verdict
from contracts.deployment import Deployment, Mode
from contracts.runs import MAX_INBOX, RunView
from tests.authority import FixedAuthority, Signer, roster_of
from tests.story import DEPLOYMENT, a_story
from tests.workflows.errand_world import DONE, FIND, MAIL, an_errand, tools
from tests.workflows.refund_world import Books, a_refund, claude_advising, rules
from workers.embedded.temporal_server import temporal_binary
from workers.resources.known_keys import KnownKeys

pytestmark = pytest.mark.many

OTHER_DIGEST = "sha256:" + "0" * 64
MALFORMED: dict[str, tuple[tuple[Any, ...], str]] = {
    "no payload": ((), "the signal has no payload; send one JSON object"),
    "two payloads": (({"v": 1}, {"v": 1}), "positional arguments"),
    "a list": (([1, 2],), "the decision does not have the shape of a decision"),
    "a text": (("approve",), "the decision does not have the shape of a decision"),
    "null": ((None,), "the signal carries NoneType, not a JSON object with a decision"),
    "bytes": ((b"\x00\xff",), "the signal carries bytes, not a JSON object with a decision"),
    "an unknown field": (({"v": 1, "sudo": True},), "the decision does not have the shape of a decision"),
    "another version": (({"v": 2},), "v: Input should be 1"),
    "9 KB": (("x" * 9000,), f"the decision has 9002 bytes; at most {MAX_DECISION_BYTES} are read"),
}
UNTIMELY: dict[str, tuple[dict[str, Any], str]] = {
    "for another action": ({"action_digest": OTHER_DIGEST}, "action_digest is 'sha256:0000"),
    "for another display": ({"display_digest": OTHER_DIGEST}, "display_digest is 'sha256:0000"),
    "for another run": ({"first_run_id": "another"}, "first_run_id is 'another'"),
    "for another workflow": ({"workflow_id": "refund/B-1"}, "workflow_id is 'refund/B-1'"),
    "for another namespace": ({"namespace": "elsewhere"}, "namespace is 'elsewhere'"),
    "for an unknown request": ({"approval_id": "refund/A-17#9"}, "'refund/A-17#9' is not open in this run; open: "),
    "an answer to another question": ({"verdict": Verdict.SKIP}, "verdict 'skip' is no answer to this request"),
    "for another deployment": ({"deployment": "elsewhere"}, "deployment is 'elsewhere'"),
    "with a signature": ({"signature": "AAAA"}, "key_id, nonce and signature stand together"),
}


def last_refusal(view: RunView) -> str:
    """Why the last decision did not count."""
    return view.refused_decisions[-1].reason


async def test_malformed_signals_are_noted_with_their_reason_and_a_valid_decision_still_counts(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        for number, (payloads, reason) in enumerate(MALFORMED.values(), start=1):
            await refund.run.signals(*payloads)
            view = await refund.run.until(lambda seen, number=number: seen.refused_count == number)  # type: ignore[misc]
            assert reason in last_refusal(view)
        assert f"refused decisions | {len(MALFORMED)}; the last: " in await refund.run.details()
        await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def test_malformed_updates_are_rejected_at_once_and_leave_no_trace(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        before = (await refund.run.handle.describe()).history_length
        for payloads, _ in MALFORMED.values():
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await refund.run.handle.execute_update("decide", args=payloads, rpc_timeout=timedelta(seconds=10))
            if len(payloads) != 1:
                assert f"takes one JSON object; {len(payloads)} were sent" in str(refused.value.cause)
        after = await refund.run.handle.describe()
        await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()

    assert after.history_length == before
    assert ending.state == "refunded"


async def test_decisions_that_do_not_fit_the_request_are_refused_with_the_reason(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        good = await refund.run.decision(Verdict.APPROVE)
        for changes, reason in UNTIMELY.values():
            assert reason in await refund.run.refused(good.model_copy(update=changes))
        for changes, reason in UNTIMELY.values():
            counted = (await refund.run.view()).refused_count
            await refund.run.signals(good.model_copy(update=changes))
            view = await refund.run.until(lambda seen, counted=counted: seen.refused_count > counted)  # type: ignore[misc]
            assert reason in last_refusal(view)
        await refund.run.sends(good)
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def test_a_decision_that_comes_after_its_own_expiry_is_refused(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        good = await refund.run.decision(Verdict.APPROVE)
        late = good.model_copy(update={"expires_at": good.issued_at + timedelta(hours=1)})
        early = good.model_copy(update={"issued_at": good.issued_at + timedelta(days=3)})
        await refund.story.fast_forward(refund.run, timedelta(hours=2))
        assert (await refund.run.refused(late)).startswith("the decision expired at ")
        assert "in the future" in await refund.run.refused(early)
        await refund.run.sends(good)
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def test_a_hundred_and_fifty_junk_signals_do_not_keep_a_valid_decision_out(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        good = await refund.run.decision(Verdict.APPROVE)
        await asyncio.gather(*(refund.run.signals({"junk": number}) for number in range(150)))
        view = await refund.run.until(lambda seen: seen.refused_count == 150)
        await refund.run.signals(good)
        ending = await refund.run.ending()

    assert len(view.refused_decisions) == 20, "only the last ones are kept"
    assert ending.state == "refunded"


async def test_at_most_a_hundred_decisions_wait_to_be_checked(temporal: WorkflowEnvironment) -> None:
    """They look valid and are not: only the check outside the workflow can tell that she signs for herself."""
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (MAIL, FIND), DONE, toolbox=toolbox) as errand:
        good = await errand.run.decision(Verdict.APPROVE)
        forged = [good.model_copy(update={"approver": "rita", "note": str(number)}) for number in range(120)]
        await asyncio.gather(*(errand.run.signals(decision) for decision in forged))
        try:
            view = await errand.run.until(lambda seen: seen.refused_count == 120 - MAX_INBOX)
        finally:
            release.set()
        assert last_refusal(view) == "100 decisions are waiting to be checked already; send it again later"
        await errand.run.until(lambda seen: seen.refused_count == 120)
        await errand.run.sends(good)
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert toolbox.effects() == ["mail.send_mail"]


async def test_everything_that_has_arrived_is_checked_in_one_step(temporal: WorkflowEnvironment) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (MAIL, FIND), DONE, toolbox=toolbox) as errand:
        good = await errand.run.decision(Verdict.APPROVE)
        forged = [good.model_copy(update={"approver": "rita", "note": str(number)}) for number in range(30)]
        for decision in (*forged, good):
            await errand.run.signals(decision)
        release.set()
        ending = await errand.run.ending()
        view = await errand.run.view()
        history = await errand.run.handle.fetch_history()

    markers = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED]
    checks = [marker for marker in markers if "check_decisions" in str(marker)]
    assert len(checks) == 1
    assert (view.refused_count, ending.state) == (30, "answered")
    assert toolbox.effects() == ["mail.send_mail"]


async def test_a_second_decision_is_told_what_was_decided(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000, 52000) as refund:
        good = await refund.run.decision(Verdict.RETURN, note="less")
        await refund.run.sends(good)
        await refund.run.asked(2)
        told = await refund.run.refused(good.model_copy(update={"verdict": Verdict.REJECT, "approver": "erik"}))
        await refund.run.signals(good)
        view = await refund.run.until(lambda seen: seen.refused_count == 1)
        await refund.run.decides(Verdict.REJECT, number=2)
        await refund.run.ending()

    assert told.startswith(f"{good.approval_id} was returned by dana at ")
    assert last_refusal(view) == told


async def test_of_two_decisions_at_once_the_first_counts_and_the_second_is_told(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        approve = await refund.run.decision(Verdict.APPROVE, by="dana")
        reject = await refund.run.decision(Verdict.REJECT, by="erik")
        answers = await asyncio.gather(refund.run.sends(approve), refund.run.sends(reject), return_exceptions=True)
        ending = await refund.run.ending()

    refused = [answer for answer in answers if isinstance(answer, WorkflowUpdateFailedError)]
    assert len(refused) == 1
    assert " was approved by dana " in str(refused[0].cause) or " was rejected by erik " in str(refused[0].cause)
    assert ending.state in ("refunded", "rejected")


async def test_the_same_decision_sent_three_times_at_once_counts_once(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 150_000) as refund:
        good = await refund.run.decision(Verdict.APPROVE)
        await asyncio.gather(*(refund.run.sends(good) for _ in range(3)), return_exceptions=True)
        view = await refund.run.view()
        assert len(view.waiting_for[0].approvals) == 1
        await refund.run.decides(Verdict.APPROVE, by="erik")
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def test_a_decision_sent_with_the_stock_command_line_counts(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        decision = await refund.run.decision(Verdict.APPROVE)
        await signal_from_command_line(temporal, decision)
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def signal_from_command_line(temporal: WorkflowEnvironment, decision: Decision) -> None:
    """`temporal workflow signal`, with what `interlock approvals sign --print` prints."""
    address = temporal.client.service_client.config.target_host
    target = ("--address", address, "--workflow-id", decision.workflow_id, "--name", "decide")
    printed = decision.model_dump_json(exclude_none=True)
    program = await asyncio.create_subprocess_exec(
        temporal_binary(), "workflow", "signal", *target, "--input", printed, stdout=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(program.wait(), 20) == 0


async def test_nothing_unsigned_counts_in_production(temporal: WorkflowEnvironment) -> None:
    production = Deployment(id=DEPLOYMENT.id, namespace=DEPLOYMENT.namespace, mode=Mode.PRODUCTION)
    toolbox, rita, dana = Books().toolbox(), Signer("rita"), Signer("dana", ("finance_manager",))
    roster = roster_of(rita, dana)
    async with a_story(temporal, claude_advising(64000), toolbox, deployment=production, roster=roster) as story:
        await story.accept_pins(toolbox)
        unsigned = await story.start("refund", order_id="A-16", requester="rita")
        stopped = await unsigned.ending()
        run = await story.start("refund", order_id="A-17", signer=rita)
        why = await run.refused(await run.decision(Verdict.APPROVE))
        await run.signals(await run.decision(Verdict.APPROVE))
        view = await run.until(lambda seen: seen.refused_count == 2)
        assert toolbox.effects() == []
        await run.sends(dana.signed(await run.decision(Verdict.APPROVE)))
        ending = await run.ending()

    assert why.startswith("unsigned decisions count in development mode only; this deployment runs in production")
    assert last_refusal(view) == why
    assert stopped.reason.startswith("unsigned start statements count in development only")
    assert (stopped.state, ending.state) == ("cancelled", "refunded")
    assert toolbox.effects()[0] == "payments.issue_credit"


async def test_a_forged_update_is_refused_before_it_is_an_event(temporal: WorkflowEnvironment) -> None:
    """The worker's own check on sight, as production gives it to the guard."""
    production = Deployment(id=DEPLOYMENT.id, namespace=DEPLOYMENT.namespace, mode=Mode.PRODUCTION)
    toolbox, rita, dana = Books().toolbox(), Signer("rita"), Signer("dana", ("finance_manager",))
    roster = roster_of(rita, dana)
    keys = KnownKeys(FixedAuthority(rules(), roster), production)
    await keys.refresh()
    around: dict[str, Any] = {"deployment": production, "roster": roster, "on_sight": keys.problem_with}
    async with a_story(temporal, claude_advising(64000), toolbox, **around) as story:
        await story.accept_pins(toolbox)
        run = await story.start("refund", order_id="A-17", signer=rita)
        signed = dana.signed(await run.decision(Verdict.APPROVE))
        before = (await run.handle.describe()).history_length
        why = await run.refused(signed.model_copy(update={"note": "and another thing"}))
        after = (await run.handle.describe()).history_length
        await run.sends(signed)
        ending = await run.ending()

    assert why == "the signature was not made by 'dana' for this decision; sign it anew"
    assert (after, ending.state) == (before, "refunded")
