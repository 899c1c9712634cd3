"""Changes to production that fail, are stopped, kept, cancelled or put to people: what was done is undone, or named."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from demo.mcp_servers.archive.stacks import Stacks
from tests.demo_servers import Fault, Faults, loses_the_answer, says_no
from tests.workflows.operations_world import COOLED_OFF, DELETION, DEPLOYMENT, ROTATION, Change, a_change
from tests.workflows.test_operations_change import AFTER, BEFORE, ROSTER, without

pytestmark = pytest.mark.many

UNROTATED = (7, None, "current")
THERE = ("active", 48_210)
TO_SIGN = ("carla", "nora")


# A step fails.


@pytest.mark.parametrize(
    ("version", "undone_after", "reason"),
    [
        ("2.15.2", ["canary"], "step 1, releases.deploy: canary_status is 'degraded', not 'healthy'"),
        ("2.15.1", ["canary", "all"], "step 2, releases.deploy: status is 'degraded', not 'healthy'"),
    ],
    ids=["the canary is not well", "all of them are not well"],
)
async def test_a_deployment_that_does_not_stay_healthy_is_rolled_back(
    temporal: WorkflowEnvironment, version: str, undone_after: list[str], reason: str
) -> None:
    async with a_change(temporal, DEPLOYMENT | {"version": version}) as change:
        await change.signed()
        await change.has_had_its_time()
        ending = await change.run.ending()
        view = await change.run.view()
        runs, register = change.runs(), change.registered()

    assert (ending.state, ending.reason) == ("rolled_back", reason)
    assert [given["stage"] for given in change.estate.arguments_of("releases.deploy")] == undone_after
    assert change.estate.effects()[-2:] == ["releases.roll_back", "changes.withdraw_change"]
    assert (view.undone, runs, register) == (("releases.deploy", "the open change"), BEFORE, "withdrawn")


@pytest.mark.parametrize(
    ("failing", "undos"),
    [
        ("changes.open_change", ["changes.withdraw_change"]),
        ("vault.issue_version", ["vault.withdraw_version", "changes.withdraw_change"]),
        ("vault.switch_consumer", ["vault.switch_back", "vault.withdraw_version", "changes.withdraw_change"]),
        ("vault.revoke_version", ["vault.switch_back", "vault.withdraw_version", "changes.withdraw_change"]),
    ],
)
async def test_a_rotation_can_be_taken_back_until_the_old_version_is_revoked_newest_first(
    temporal: WorkflowEnvironment, failing: str, undos: list[str]
) -> None:
    faults: Faults = {failing: [None, says_no] if failing == "vault.switch_consumer" else says_no}
    async with a_change(temporal, ROTATION, faults=faults) as change:
        await change.signed()
        ending = await change.run.ending()
        key = change.key()

    assert ending.state == "rolled_back"
    assert ending.reason.endswith(f"{failing} ended as said_no: not today")
    assert change.estate.effects()[-len(undos) :] == undos
    assert key == UNROTATED


async def test_a_step_whose_answer_was_lost_is_taken_once(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, faults={"releases.deploy": loses_the_answer}) as change:
        await change.signed()
        ending = await change.run.ending()
        runs = change.runs()

    assert (ending.state, runs) == ("verified", AFTER)
    keys = change.estate.keys_of("releases.deploy")
    assert (len(keys), len(set(keys))) == (3, 2)


async def test_what_was_deployed_is_rolled_back_when_it_cannot_be_read_once_more(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, faults={"releases.find_service": [*[None] * 5, says_no]}) as change:
        await change.signed()
        ending = await change.run.ending()
        states = await change.run.states()
        runs = change.runs()

    assert (ending.state, states[-2:], runs) == ("rolled_back", ["verifying", "rolled_back"], BEFORE)


async def test_signatures_that_no_longer_count_at_the_gate_undo_what_rested_on_them(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, roster=ROSTER, requester="olga", held="releases.deploy") as change:
        await change.signed(1, "clara", "sven")
        await change.estate.until_called("releases.deploy")
        left = [person for person in ROSTER.people if person.subject != "sven"]
        change.story.authority.people = ROSTER.model_copy(update={"people": tuple(left)})
        change.estate.hold["releases.deploy"].set()
        ending = await change.run.ending()
        runs = change.runs()

    assert (ending.state, runs) == ("rolled_back", BEFORE)
    assert ending.reason.startswith(
        "step 2: releases.deploy ended as needs_approval: the decision of 'sven' does not count"
    )


# It cools off.


async def test_a_deletion_is_stopped_while_it_cools_off_by_whoever_is_entitled_and_restored(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, DELETION, roster=ROSTER, requester="olga") as change:
        await change.signed(1, "clara", "nora")
        request = await change.run.asked(2)
        stranger = await change.run.decision(Verdict.ABANDON, by="sven", number=2)
        refused = await change.run.refused(stranger)
        await change.run.decides(Verdict.ABANDON, by="nora", number=2, note="marketing needs it once more")
        ending = await change.run.ending()
        states = await change.run.states()
        dataset, register = change.dataset(), change.registered()

    assert request.title == "CHG-2043: stop the data deletion of newsletter-2019?"
    assert request.deadline is not None and request.deadline - request.opened_at == timedelta(hours=72)
    assert "sven" in refused
    assert (ending.state, ending.reason) == ("stopped", "stopped by nora: marketing needs it once more")
    assert states[-3:] == ["cooling_off", "restoring", "stopped"]
    assert (dataset, register) == (THERE, "withdrawn")


async def test_whoever_may_stop_a_deletion_is_told_until_when_and_what_follows(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        request = await change.run.asked(2)
        shown = await change.shown_of(request)

    assert request.options == (Verdict.ABANDON,)
    assert [each.role for each in request.obligations] == ["change_manager", "data_steward"]
    assert shown["for so long"] == "72 hours from when this was asked"
    assert shown["if nobody stops it"] == "somebody takes a last look before anything is deleted"
    assert shown["option abandon"] == "goes on in restoring"


async def test_nothing_is_purged_before_it_has_cooled_off_whatever_the_run_says(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.run.asked(2)
        await change.story.fast_forward(change.run, COOLED_OFF)  # the archive's own clock has not come so far
        await change.confirmed()
        ending = await change.run.ending()
        dataset = change.dataset()

    assert ending.state == "rolled_back"
    assert "dataset 'newsletter-2019' is kept until" in ending.reason
    assert dataset == THERE


# The last look.


async def test_what_came_under_legal_hold_is_kept_without_anybody_being_asked(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.run.asked(2)
        stacks_of(change).hold("newsletter-2019", "LH-3000, a complaint")
        await change.story.fast_forward(change.run, COOLED_OFF)
        ending = await change.run.ending()
        states = await change.run.states()
        dataset = change.dataset()

    assert (ending.state, ending.reason) == ("kept", "kept: it is under legal hold: LH-3000, a complaint")
    assert (states[-3:], dataset) == (["last_look", "restoring", "kept"], THERE)


async def test_what_has_changed_since_it_was_approved_is_kept(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.run.asked(2)
        stacks_of(change).add_rows("newsletter-2019", 12)
        await change.story.fast_forward(change.run, COOLED_OFF)
        ending = await change.run.ending()

    assert ending.state == "kept"
    assert ending.reason == "kept: it has changed since it was approved: 48210 rows -> 48222"
    assert "archive.purge" not in change.estate.called


@pytest.mark.parametrize(
    ("verdict", "state", "reason", "stands"),
    [
        (
            Verdict.APPROVE,
            "verified",
            "CHG-2043: data deletion of newsletter-2019 is done and was checked",
            ("purged", 0),
        ),
        (Verdict.REJECT, "kept", "kept: rejected by nora: who used it?", THERE),
        (Verdict.RETURN, "kept", "kept: returned by nora: who used it?", THERE),
    ],
)
async def test_whoever_takes_the_last_look_is_told_of_a_use_and_decides(
    temporal: WorkflowEnvironment, verdict: Verdict, state: str, reason: str, stands: tuple[str, int]
) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.run.asked(2)
        stacks_of(change).sample("newsletter-2019")
        await change.cooled_off()
        shown = await change.shown(3)
        await change.run.decides(verdict, by="nora", number=3, note="who used it?")
        ending = await change.run.ending()
        dataset = change.dataset()

    assert shown["used since it was approved"].startswith("yes, at 20")
    assert "last_used_at: " in shown["different since"]
    assert (ending.state, ending.reason, dataset) == (state, reason, stands)


async def test_the_last_look_is_a_question_of_its_own_about_this_very_purge(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.cooled_off()
        request = await change.run.asked(3)
        shown = await change.shown_of(request)

    assert request.title == "CHG-2043: the last look. Delete newsletter-2019 for good?"
    assert [each.role for each in request.obligations] == ["data_steward"]
    assert "status marked" in shown["as it is now"] and "status: active -> marked" in shown["different since"]
    assert "archive.purge" not in change.estate.called


async def test_a_last_look_that_nobody_takes_keeps_the_data(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.cooled_off()
        await change.run.asked(3)
        await change.story.fast_forward(change.run, timedelta(hours=48, minutes=1))
        ending = await change.run.ending()
        dataset = change.dataset()

    assert (ending.state, ending.reason) == ("kept", "kept: nobody confirmed the last look in time")
    assert dataset == THERE


async def test_what_changes_while_people_look_is_kept_though_they_confirm(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, *TO_SIGN)
        await change.cooled_off()
        await change.run.asked(3)
        stacks_of(change).hold("newsletter-2019", "LH-3000, a complaint")
        await change.confirmed()
        ending = await change.run.ending()

    assert ending.state == "kept"
    assert ending.reason == "kept: it changed while people looked: legal_hold: None -> LH-3000, a complaint"
    assert "archive.purge" not in change.estate.called


async def test_where_policy_asks_nobody_for_a_last_look_nothing_is_purged(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION, policy=without("change-last-look")) as change:
        await change.signed(1, *TO_SIGN)
        await change.cooled_off()
        ending = await change.run.ending()

    assert (ending.state, ending.reason) == ("kept", "kept: policy asks nobody to confirm the last step: it permits it")
    assert "archive.purge" not in change.estate.called


# What cannot be undone.


async def test_what_could_not_be_undone_is_named_for_good(temporal: WorkflowEnvironment) -> None:
    never: Faults = {"releases.deploy": [None, says_no], "releases.roll_back": [says_no, says_no]}
    async with a_change(temporal, faults=never) as change:
        await change.signed()
        request = await change.run.asked(2)
        await change.run.decides(Verdict.RETRY, number=2)
        await change.run.decides(Verdict.ABANDON, by="carla", number=3)
        ending = await change.run.ending()
        view = await change.run.view()
        runs = change.runs()

    assert request.title.startswith("not undone: releases.deploy, the open change; undone: nothing; ")
    assert (ending.state, runs) == ("undo_incomplete", ("2.14.3", "2.15.0"))
    assert view.not_undone == ("releases.deploy", "the open change")


async def test_past_the_point_of_no_return_nobody_can_say_that_all_was_undone(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, ROTATION, held="vault.revoke_version") as change:
        await change.signed()
        await change.estate.until_called("vault.revoke_version")
        await change.run.cancel("we are not ready")
        change.estate.hold["vault.revoke_version"].set()
        request = await change.run.asked(2)
        await change.run.decides(Verdict.ABANDON, by="carla", number=2)
        ending = await change.run.ending()
        key = change.key()

    assert "version 7 of 'payments-gateway-key' is revoked; nothing leads back to it" in request.title
    assert (ending.state, key) == ("undo_incomplete", (8, None, "current"))


# People choose.


def nth(number: int) -> Sequence[Fault | None]:
    """The call of that number says no."""
    return [*[None] * (number - 1), says_no]


@pytest.mark.parametrize(
    ("asked", "faults", "requests", "state", "ends"),
    [
        (DEPLOYMENT, {"releases.find_service": nth(1)}, (1, 2), "reading", "verified"),
        (DEPLOYMENT, {"releases.find_service": nth(3)}, (2, 3), "awaiting_approval", "verified"),
        (DEPLOYMENT, {"releases.deploy": says_no, "releases.roll_back": says_no}, (2, 0), "executing", "rolled_back"),
        (ROTATION, {"vault.revoke_version": says_no, "vault.switch_back": says_no}, (2, 0), "finishing", "rolled_back"),
    ],
)
async def test_what_failed_is_tried_again_when_people_say_retry(
    temporal: WorkflowEnvironment,
    asked: dict[str, Any],
    faults: Faults,
    requests: tuple[int, int],
    state: str,
    ends: str,
) -> None:
    escalated, signed_anew = requests
    async with a_change(temporal, asked, faults=faults) as change:
        if escalated > 1:
            await change.signed()
        await change.run.decides(Verdict.RETRY, number=escalated)
        if signed_anew:
            await change.signed(signed_anew)
        ending = await change.run.ending()
        states = await change.run.states()

    place = states.index("escalated")
    assert states[place - 1 : place + 2] == [state, "escalated", state]
    assert ending.state == ends


async def test_a_plan_the_gate_cannot_rule_on_is_ruled_on_again_when_people_say_retry(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal) as change:
        published = dict(change.estate.answers)
        change.claude.spoilt = [lambda _: withdraw(change, "changes.open_change")]
        request = await change.run.asked()
        change.estate.answers = published
        await change.run.decides(Verdict.RETRY)
        await change.signed(2)
        ending = await change.run.ending()
        states = await change.run.states()

    assert "publishes no tool 'open_change'" in request.title
    assert (states[2:5], ending.state) == (["ruling", "escalated", "ruling"], "verified")


async def test_a_last_look_that_cannot_be_taken_is_taken_again_when_people_say_retry(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, DELETION, faults={"archive.find_dataset": nth(5)}) as change:
        await change.signed(1, *TO_SIGN)
        await change.cooled_off()
        await change.run.decides(Verdict.RETRY, by="carla", number=3)
        await change.confirmed(4)
        ending = await change.run.ending()
        states = await change.run.states()

    assert (ending.state, states[6:9]) == ("verified", ["last_look", "escalated", "last_look"])


async def test_what_could_not_be_restored_is_tried_again_when_people_say_retry(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION, faults={"archive.restore": says_no}) as change:
        await change.signed(1, *TO_SIGN)
        await change.cooled_off()
        await change.run.decides(Verdict.REJECT, by="nora", number=3)
        await change.run.decides(Verdict.RETRY, by="carla", number=4)
        ending = await change.run.ending()
        states = await change.run.states()
        dataset = change.dataset()

    assert (ending.state, states[-4:]) == ("kept", ["restoring", "escalated", "restoring", "kept"])
    assert dataset == THERE


async def test_a_change_that_cannot_be_closed_in_the_register_may_be_closed_by_hand(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, faults={"changes.close_change": [says_no, says_no]}) as change:
        await change.signed()
        await change.run.decides(Verdict.RETRY, number=2)
        await change.run.decides(Verdict.TAKE_OVER, number=3)
        ending = await change.run.ending()
        runs = change.runs()

    assert (ending.state, runs) == ("verified", AFTER)


async def test_a_change_that_cannot_go_on_waits_for_the_change_manager(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, ROTATION, faults={"vault.find_credential": says_no}) as change:
        request = await change.run.asked()

    assert request.title == "reading: vault.find_credential ended as said_no: not today"
    assert request.options == (Verdict.RETRY, Verdict.ABANDON)
    assert [each.role for each in request.obligations] == ["change_manager"]


async def test_a_change_that_is_abandoned_before_anything_was_done_is_cancelled(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, faults={"releases.find_service": says_no}) as change:
        await change.run.decides(Verdict.ABANDON, by="carla")
        ending = await change.run.ending()

    assert (ending.state, change.estate.effects()) == ("cancelled", [])


# It is cancelled.


@pytest.mark.parametrize(
    ("asked", "state", "held", "faults"),
    [
        (DEPLOYMENT, "planning", "changes.changes_of", {}),
        (DEPLOYMENT, "executing", "releases.deploy", {}),
        (ROTATION, "finishing", "vault.revoke_version", {"vault.revoke_version": says_no}),
        (DEPLOYMENT, "verifying", "changes.close_change", {}),
    ],
)
async def test_a_change_that_is_cancelled_waits_for_the_call_in_flight_and_undoes_what_was_done(
    temporal: WorkflowEnvironment, asked: dict[str, Any], state: str, held: str, faults: Faults
) -> None:
    async with a_change(temporal, asked, held=held, faults=faults) as change:
        if state != "planning":
            await change.signed()
        await change.estate.until_called(held)
        await change.run.cancel("a fire in the server room")
        change.estate.hold[held].set()
        ending = await change.run.ending()
        states = await change.run.states()
        runs, key = change.runs(), change.key()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: a fire in the server room")
    assert states[-2:] == [state, "cancelled"]
    assert (runs, key) == (BEFORE, UNROTATED)


async def test_a_change_that_is_cancelled_before_anything_could_be_read_does_nothing(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, away="releases") as change:
        await change.run.in_state("reading")
        await change.run.cancel()
        ending = await change.run.ending()
        states = await change.run.states()

    assert (ending.state, states, change.estate.effects()) == ("cancelled", ["reading", "cancelled"], [])


async def test_a_change_that_is_cancelled_while_policy_is_asked_does_nothing(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal) as change:
        change.claude.spoilt = [lambda _: change.estate.holding("releases.*")]
        await change.run.in_state("ruling")
        await change.estate.until_called("releases.*")
        await change.run.cancel()
        change.estate.hold["releases.*"].set()
        ending = await change.run.ending()
        states = await change.run.states()

    assert (ending.state, states[-2:], change.estate.effects()) == ("cancelled", ["ruling", "cancelled"], [])


@pytest.mark.parametrize(("state", "number"), [("awaiting_approval", 1), ("cooling_off", 2), ("last_look", 3)])
async def test_a_deletion_that_is_cancelled_while_it_waits_is_restored(
    temporal: WorkflowEnvironment, state: str, number: int
) -> None:
    async with a_change(temporal, DELETION) as change:
        if number > 1:
            await change.signed(1, *TO_SIGN)
        if number > 2:
            await change.cooled_off()
        await change.run.asked(number)
        await change.run.cancel()
        ending = await change.run.ending()
        states = await change.run.states()
        dataset = change.dataset()

    assert (ending.state, states[-2:], dataset) == ("cancelled", [state, "cancelled"], THERE)


async def test_a_deletion_that_is_cancelled_while_it_is_restored_is_restored_all_the_same(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, DELETION, held="archive.restore") as change:
        await change.signed(1, *TO_SIGN)
        await change.run.decides(Verdict.ABANDON, by="nora", number=2)
        await change.estate.until_called("archive.restore")
        await change.run.cancel()
        change.estate.hold["archive.restore"].set()
        ending = await change.run.ending()
        states = await change.run.states()
        dataset, register = change.dataset(), change.registered()

    assert (ending.state, states[-2:]) == ("cancelled", ["restoring", "cancelled"])
    assert (dataset, register) == (THERE, "withdrawn")


def stacks_of(change: Change) -> Stacks:
    """The archive, as somebody else uses it."""
    return Stacks(change.estate.data, change.now)


def withdraw(change: Change, tool: str) -> None:
    """The server no longer publishes that tool."""
    change.estate.answers = {name: answer for name, answer in change.estate.answers.items() if name != tool}
