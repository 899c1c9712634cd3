"""Changes to production, told as stories: what is done, what is refused, how plans are made, and who signs them."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.testing import WorkflowEnvironment

from contracts.canonical import digest
from contracts.decisions import Verdict
from demo.mcp_servers.releases.fleet import Fleet
from demo.mcp_servers.releases.records import Stage
from policies.engine import CedarRules
from tests.authority import Signer, roster_of
from tests.policies.questions import OURS
from tests.workflows.operations_world import DELETION, DEPLOYMENT, ROTATION, Change, Spoiling, a_change
from workflows.operations_change import OperationsChangeRequest

pytestmark = pytest.mark.many

BEFORE, AFTER = ("2.14.3", None), ("2.15.0", None)
PLANNED = ["reading", "planning", "ruling", "awaiting_approval"]


def without(rule_id: str) -> CedarRules:
    """The rules in force, but for one."""
    return CedarRules({"fewer.cedar": "\n".join(rule.text for rule in OURS.rules if rule.id != rule_id)})


# What is done.


async def test_a_signed_deployment_goes_to_one_instance_first_and_then_to_all(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal) as change:
        await change.run.asked()
        assert change.estate.effects() == [], "nothing is done before it is signed"
        await change.signed()
        ending = await change.run.ending()
        states = await change.run.states()
        runs, register = change.runs(), change.registered()

    assert (ending.state, ending.reason) == (
        "verified",
        "CHG-2041: deployment of checkout-api 2.15.0 is done and was checked",
    )
    assert states == [*PLANNED, "executing", "verifying", "verified"]
    assert change.estate.effects() == [
        "changes.open_change",
        "releases.deploy",
        "releases.deploy",
        "changes.close_change",
    ]
    stages = [given["stage"] for given in change.estate.arguments_of("releases.deploy")]
    assert (stages, runs, register) == (["canary", "all"], AFTER, "done")


async def test_a_rotation_switches_every_consumer_before_the_old_version_is_revoked(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, ROTATION) as change:
        await change.signed()
        ending = await change.run.ending()
        states = await change.run.states()
        key, register = change.key(), change.registered()

    assert (ending.state, key, register) == ("verified", (8, None, "current"), "done")
    assert states == [*PLANNED, "executing", "finishing", "verifying", "verified"]
    assert change.estate.effects() == [
        "changes.open_change",
        "vault.issue_version",
        "vault.switch_consumer",
        "vault.switch_consumer",
        "vault.revoke_version",
        "changes.close_change",
    ]


async def test_a_deletion_cools_off_is_looked_at_once_more_and_is_purged_last(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, DELETION) as change:
        await change.signed(1, "carla", "nora")
        await change.run.in_state("cooling_off")
        marked = change.dataset()
        await change.cooled_off()
        shown = await change.shown(3)
        await change.confirmed()
        ending = await change.run.ending()
        states = await change.run.states()
        dataset, register = change.dataset(), change.registered()

    assert marked == ("marked", 48_210)
    assert (ending.state, dataset, register) == ("verified", ("purged", 0), "done")
    assert states[4:] == ["executing", "cooling_off", "last_look", "finishing", "verifying", "verified"]
    assert shown["used since it was approved"] == "no"
    assert change.estate.effects() == [
        "changes.open_change",
        "archive.mark_for_deletion",
        "archive.purge",
        "changes.close_change",
    ]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (DEPLOYMENT | {"subject": "checkout"}, "there is no service 'checkout'"),
        (DEPLOYMENT | {"version": "9.9.9"}, "checkout-api: version '9.9.9' is not known, not released"),
        (DEPLOYMENT | {"version": "2.16.0"}, "checkout-api: version '2.16.0' is candidate, not released"),
        (DEPLOYMENT | {"version": "2.14.3"}, "checkout-api: it runs 2.14.3 already"),
        (ROTATION | {"subject": "nobodys-key"}, "there is no credential 'nobodys-key'"),
        (DELETION | {"subject": "orders-2016"}, "orders-2016: it is under legal hold: LH-2031, tax audit"),
    ],
)
async def test_what_cannot_be_changed_as_it_was_asked_for_is_refused_before_anybody_plans(
    temporal: WorkflowEnvironment, asked: dict[str, Any], reason: str
) -> None:
    async with a_change(temporal, asked) as change:
        ending = await change.run.ending()
        states = await change.run.states()

    assert (ending.state, ending.reason) == ("refused", reason)
    assert (states, change.claude.questions, change.estate.effects()) == (["reading", "refused"], [], [])


@pytest.mark.parametrize(
    ("otherwise", "field", "said"),
    [
        ({"version": ""}, "version", "a deployment needs one; name the version that is to run"),
        ({"kind": "data_deletion"}, "version", "a data_deletion has none; leave it out"),
        ({"subject": "Checkout API"}, "subject", "String should match pattern"),
        ({"change_id": "2041"}, "change_id", "String should match pattern"),
    ],
)
def test_a_request_that_cannot_be_meant_names_its_field(otherwise: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        OperationsChangeRequest.model_validate(DEPLOYMENT | otherwise)
    (error,) = wrong.value.errors()
    assert (error["loc"], said in error["msg"]) == ((field,), True)


# The plan.


def step(number: int, **changes: object) -> Spoiling:
    """One step of the plan says something else."""
    return lambda plan: plan["steps"][number].update(changes)


def argument(number: int, name: str, value: object) -> Spoiling:
    """One argument of a step is another."""

    def spoil(plan: dict[str, Any]) -> None:
        named = [each for each in plan["steps"][number]["arguments"] if each["name"] == name]
        named[0]["value"] = value

    return spoil


PLANS_THAT_DO_NOT_HOLD: dict[str, tuple[dict[str, Any], Spoiling, str]] = {
    "a tool of another kind": (
        DEPLOYMENT,
        step(0, tool="archive.purge"),
        "step 1: 'archive.purge' has no place in this change; its tools are releases.deploy",
    ),
    "a value nobody has read": (
        DEPLOYMENT,
        argument(0, "version", "2.15.2"),
        "step 1: version '2.15.2' was neither asked for nor read",
    ),
    "another subject": (
        ROTATION,
        argument(1, "consumer", "pricing"),
        "consumer 'pricing' was neither asked for nor read",
    ),
    "an argument too many": (
        DEPLOYMENT,
        lambda plan: plan["steps"][0]["arguments"].append({"name": "force", "value": 1}),
        "step 1: releases.deploy takes each of service, version, stage once, and nothing else",
    ),
    "no undo": (
        DEPLOYMENT,
        step(1, undo=""),
        "step 2: releases.deploy is taken back by releases.roll_back, not by nothing",
    ),
    "the undo of another": (
        ROTATION,
        step(0, undo="vault.switch_back"),
        "step 1: vault.issue_version is taken back by vault.withdraw_version, not by vault.switch_back",
    ),
    "nothing is checked": (DEPLOYMENT, step(1, check=[]), "step 2: the check must say that version is '2.15.0'"),
    "a check that is made up": (
        DEPLOYMENT,
        lambda plan: plan["steps"][0]["check"].append({"name": "error_permille", "value": 0}),
        "step 1: the check of error_permille is neither what the step brings about nor what was read",
    ),
    "a step is missing": (
        ROTATION,
        lambda plan: plan["steps"].pop(1),
        "vault.switch_consumer with credential 'payments-gateway-key', consumer 'checkout-api' must be there once",
    ),
    "a step is there twice": (
        DEPLOYMENT,
        lambda plan: plan["steps"].append(plan["steps"][1]),
        "stage 'all' must be there once, and is 2 times",
    ),
    "what cannot be taken back comes first": (
        ROTATION,
        lambda plan: plan["steps"].reverse(),
        "the order must be vault.issue_version, then vault.switch_consumer, then vault.revoke_version",
    ),
}


@pytest.mark.parametrize(("asked", "spoil", "why"), PLANS_THAT_DO_NOT_HOLD.values(), ids=PLANS_THAT_DO_NOT_HOLD)
async def test_a_plan_that_does_not_hold_is_made_anew_once_and_claude_is_told_why(
    temporal: WorkflowEnvironment, asked: dict[str, Any], spoil: Spoiling, why: str
) -> None:
    async with a_change(temporal, asked, spoilt=(spoil,)) as change:
        await change.run.asked()
        states = await change.run.states()

    assert states == PLANNED
    said = str(change.claude.questions[-1].messages[-1]["content"])
    assert "the plan was refused: " in said and why in said.replace("\\'", "'")
    assert (len(change.claude.plans), change.estate.effects()) == (2, [])


async def test_a_second_plan_that_does_not_hold_is_put_to_people_who_may_have_it_made_once_more(
    temporal: WorkflowEnvironment,
) -> None:
    wrong = step(0, undo="")
    async with a_change(temporal, spoilt=(wrong, wrong, None)) as change:
        request = await change.run.asked()
        await change.run.decides(Verdict.RETRY)
        await change.signed(2)
        ending = await change.run.ending()

    assert request.title.startswith("Claude has no plan that holds: step 1: releases.deploy is taken back by")
    assert [each.role for each in request.obligations] == ["change_manager"]
    assert ending.state == "verified"


async def test_a_plan_in_no_shape_to_be_read_does_not_hold_either(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, spoilt=(lambda plan: plan.pop("steps"),)) as change:
        await change.run.asked()

    assert "the plan was refused: no usable advice: the answer does not fit" in str(
        change.claude.questions[-1].messages[-1]["content"]
    )


# What policy says.


@pytest.mark.parametrize(
    ("asked", "policy", "reason"),
    [
        (DELETION | {"cooling_off_hours": 71}, OURS, "forbidden by change-cools-off"),
        (DEPLOYMENT, without("change-does"), "no rule permits"),
        (DEPLOYMENT, without("change-service-owner-signs"), "policy does not ask two roles to sign this plan"),
    ],
    ids=["it cools off too briefly", "nobody may", "one role is not enough"],
)
async def test_a_plan_that_policy_does_not_let_two_roles_sign_is_declined(
    temporal: WorkflowEnvironment, asked: dict[str, Any], policy: CedarRules, reason: str
) -> None:
    async with a_change(temporal, asked, policy=policy) as change:
        ending = await change.run.ending()
        states = await change.run.states()

    assert (ending.state, states) == ("declined", [*PLANNED[:3], "declined"])
    assert ending.reason.startswith(reason), ending.reason
    assert change.estate.effects() == []


async def test_a_plan_is_declined_when_the_change_itself_may_not_be_opened(temporal: WorkflowEnvironment) -> None:
    never = OURS.files["operations_change.cedar"] + (
        '@id("no-changes-today") forbid(principal, action == Action::"changes.open_change", resource);'
    )
    policy = CedarRules({**OURS.files, "operations_change.cedar": never})
    async with a_change(temporal, policy=policy) as change:
        ending = await change.run.ending()

    assert (ending.state, change.estate.effects()) == ("declined", [])
    assert "no-changes-today" in ending.reason


# Who signs.

RITA, CARLA = Signer("rita", ("change_manager",)), Signer("carla", ("change_manager", "service_owner"))
CLARA, SVEN, NORA = (
    Signer("clara", ("change_manager",)),
    Signer("sven", ("service_owner",)),
    Signer("nora", ("data_steward",)),
)
ROSTER = roster_of(RITA, CARLA, CLARA, SVEN, NORA)


async def test_what_people_sign_is_the_plan_by_its_digest(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal) as change:
        request = await change.run.asked()
        shown = await change.shown(1)
        await change.signed()
        await change.run.ending()

    (opened,) = change.estate.arguments_of("changes.open_change")
    plan_digest = opened["plan_digest"]
    assert plan_digest == digest(opened["steps"]) == shown["plan"]
    assert request.title == f"CHG-2041: carry out plan {str(plan_digest)[:19]} (deployment of checkout-api 2.15.0)?"
    assert shown["step 2"].startswith(
        "releases.deploy (service checkout-api, version 2.15.0, stage all): every instance"
    )
    assert shown["cannot be taken back"] == "nothing"


async def test_two_people_of_different_roles_sign_and_whoever_asked_is_none_of_them(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal, roster=ROSTER) as change:
        own = await change.run.refused(await change.decision("rita"))
        stranger = await change.run.refused(await change.decision("nora"))
        first = await change.run.decides(Verdict.APPROVE, by="clara")
        same_role = await change.run.refused(await change.decision("clara"))
        assert change.estate.effects() == []
        second = await change.run.decides(Verdict.APPROVE, by="sven")
        ending = await change.run.ending()

    assert own == "'rita' asked for this run and may not decide on it; somebody else must"
    assert stranger == "'nora' holds data_steward and cannot decide as change_manager or service_owner"
    assert (first.outcome, second.outcome) == ("counted", "approved")
    assert same_role == "this approver has approved already; a quorum counts people"
    assert ending.state == "verified"


async def test_one_person_of_both_roles_counts_once_and_so_do_two_of_one_role(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, roster=ROSTER, requester="olga") as change:
        await change.run.decides(Verdict.APPROVE, by="carla")
        alone = await change.run.refused(await change.decision("carla"))
        await change.run.in_state("awaiting_approval")
        assert change.estate.effects() == []
        await change.run.decides(Verdict.APPROVE, by="clara")
        ending = await change.run.ending()
    async with a_change(temporal, roster=ROSTER, requester="olga") as another:
        await another.run.decides(Verdict.APPROVE, by="rita")
        of_one_role = await another.run.refused(await another.decision("clara"))

    assert alone == "this approver has approved already; a quorum counts people"
    assert ending.state == "verified", "carla signs as the service's owner, clara as change manager"
    assert of_one_role.startswith("this approval fills no place of the quorum")


async def test_a_plan_that_is_returned_is_made_anew_and_signed_anew(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal) as change:
        first = await change.run.asked(1)
        await change.run.decides(Verdict.APPROVE, by="carla")
        await change.run.decides(Verdict.RETURN, by="sven", note="say what happens at night")
        second = await change.run.asked(2)
        late = await change.run.refused(
            (await change.decision("carla", 2)).model_copy(update={"action_digest": first.action_digest})
        )
        await change.run.decides(Verdict.APPROVE, by="carla", number=2)
        assert change.estate.effects() == [], "what was signed before no longer counts"
        await change.run.decides(Verdict.APPROVE, by="sven", number=2)
        shown = await change.shown_of(second)
        ending = await change.run.ending()
        states = await change.run.states()

    assert first.action_digest != second.action_digest
    assert "action_digest" in late
    assert shown["asked again because"] == "returned by sven: say what happens at night"
    assert "note from sven: say what happens at night" in str(change.claude.questions[-1].messages[-1]["content"])
    assert (ending.state, states[3:7]) == ("verified", ["awaiting_approval", "planning", "ruling", "awaiting_approval"])


async def test_a_rejected_plan_touches_nothing(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal, ROTATION) as change:
        await change.run.decides(Verdict.REJECT, by="sven", note="not in December")
        ending = await change.run.ending()

    assert (ending.state, ending.reason) == ("rejected", "rejected by sven: not in December")
    assert change.estate.effects() == []


async def test_a_plan_nobody_signs_expires_after_a_day(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal) as change:
        await change.run.decides(Verdict.APPROVE, by="carla")
        await change.story.fast_forward(change.run, timedelta(hours=24, minutes=1))
        ending = await change.run.ending()

    assert (ending.state, ending.reason, change.estate.effects()) == ("expired", "nobody decided in time", [])


async def test_signatures_are_void_when_what_is_to_be_changed_has_changed_meanwhile(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_change(temporal) as change:
        await change.run.asked()
        deploy_by_hand(change, "2.15.1")
        await change.signed()
        await change.run.asked(2)
        shown = await change.shown(2)
        assert change.estate.effects() == []
        await change.signed(2)
        ending = await change.run.ending()
        states = await change.run.states()

    assert states[3:7] == ["awaiting_approval", "reading", "planning", "ruling"]
    assert "version: 2.14.3 -> 2.15.1" in shown["asked again because"]
    assert ending.state == "verified"


async def test_what_can_no_longer_be_changed_is_refused_though_it_was_signed(temporal: WorkflowEnvironment) -> None:
    async with a_change(temporal) as change:
        await change.run.asked()
        deploy_by_hand(change, "2.15.0")
        await change.signed()
        ending = await change.run.ending()

    assert (ending.state, ending.reason) == ("refused", "checkout-api: it runs 2.15.0 already")
    assert change.estate.effects() == []


def deploy_by_hand(change: Change, version: str) -> None:
    """Somebody else deploys meanwhile."""
    fleet = Fleet(change.estate.data)
    for stage in Stage:
        fleet.deploy("checkout-api", version, stage, "by hand")
