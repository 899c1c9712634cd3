"""The small automations of the hotel, told as stories: each does its one thing, once, or leaves nothing."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from contracts.tools import Delivered
from tests.demo_servers import Ask, Fault, lies, loses_the_answer, mumbles, refuses, says_no
from tests.workflows.hotel_world import Checkout, a_checkout
from tests.workflows.skills_world import CHECK_IN, CONTACT, EFFECTS, MAINTENANCE, SERVICE, SKILLS, Skill

pytestmark = pytest.mark.many
MEDDLED = (
    ("property", "UPDATE bookings SET status = 'booked' WHERE booking_number = 'B-2050'", CHECK_IN),
    ("crm", "UPDATE contacts SET phone = NULL", CONTACT),
    ("housekeeping", "UPDATE requests SET status = 'withdrawn'", SERVICE),
    ("housekeeping", "UPDATE requests SET status = 'withdrawn'", MAINTENANCE),
    ("property", "UPDATE rooms SET status = 'clean' WHERE room_number = '119'", MAINTENANCE),
)
"""Somebody changes the books in the moment after an effect."""


def named(value: Any) -> str:
    """For the report of a test."""
    return value.automation if isinstance(value, Skill) else getattr(value, "__name__", str(value))


def a_run(temporal: WorkflowEnvironment, skill: Skill, **more: Any) -> Any:
    """A story of one of them."""
    return a_checkout(temporal, dict(skill.asked), automation=skill.automation, **more)


def meddling(told: Checkout, server: str, change: str) -> Fault:
    """It is done, and somebody takes it back."""

    async def fault(ask: Ask) -> Delivered:
        delivered = await ask()
        with closing(sqlite3.connect(told.hotel.data / f"{server}.db")) as connection, connection:
            connection.execute(change)
        return delivered

    return fault


async def until_it_reads_back(told: Checkout, skill: Skill) -> None:
    """Its effects are done, and the read of the last state is under way; it stays so until it is let go."""
    last = [*skill.effects.values()][-1]
    await told.hotel.until_called(last)
    told.hotel.holding(skill.last_read)
    told.hotel.hold[last].set()
    await told.hotel.until_called(skill.last_read)


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_it_does_its_one_thing_and_reads_it_back(temporal: WorkflowEnvironment, skill: Skill) -> None:
    async with a_run(temporal, skill) as told:
        ending = await told.run.ending()
        states = await told.run.states()
        said = skill.said(told.hotel)

    assert (ending.state, states) == (skill.ending, skill.states)
    assert told.hotel.effects() == [*skill.effects.values()]
    assert said == skill.after


@pytest.mark.parametrize("fault", [loses_the_answer, mumbles], ids=named)
@pytest.mark.parametrize(("skill", "state"), EFFECTS, ids=named)
async def test_an_effect_whose_answer_goes_astray_happens_once_and_is_known_for_its_own(
    temporal: WorkflowEnvironment, skill: Skill, state: str, fault: Fault
) -> None:
    async with a_run(temporal, skill, faults={skill.effects[state]: fault}) as told:
        ending = await told.run.ending()
        said = skill.said(told.hotel)

    assert (ending.state, said) == (skill.ending, skill.after)


# It swallows errors of single steps and answers success.


@pytest.mark.parametrize("fault", [says_no, lies], ids=named)
@pytest.mark.parametrize(("skill", "state"), EFFECTS, ids=named)
async def test_a_step_that_fails_is_not_passed_over_and_nothing_is_left_of_it(
    temporal: WorkflowEnvironment, skill: Skill, state: str, fault: Fault
) -> None:
    tool = skill.effects[state]
    async with a_run(temporal, skill, faults={tool: fault}) as told:
        ending = await told.run.ending()
        states = await told.run.states()
        undos, said = told.undos(), skill.said(told.hotel)

    done = [*skill.effects.values()][: [*skill.effects].index(state) + 1]
    assert (ending.state, states[-2:]) == (skill.fails_to[state], [state, skill.fails_to[state]])
    assert ending.reason.startswith(f"{tool} ended as ")
    assert undos == [skill.undos[each] for each in reversed(done)]
    assert said == skill.before


@pytest.mark.parametrize(("skill", "state"), EFFECTS, ids=named)
async def test_an_undo_that_failed_is_tried_again_when_people_say_retry_and_nothing_is_done_anew(
    temporal: WorkflowEnvironment, skill: Skill, state: str
) -> None:
    tool = skill.effects[state]
    async with a_run(temporal, skill, faults={tool: refuses, skill.undos[tool]: says_no}) as told:
        await told.run.decides(Verdict.RETRY)
        ending = await told.run.ending()
        states = await told.run.states()
        said = skill.said(told.hotel)

    follows = skill.fails_to[state]
    assert states[-4:] == [state, "escalated", state, follows]
    assert (ending.state, said) == (follows, skill.before)
    assert told.hotel.called.count(tool) == 1


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_what_cannot_be_taken_back_is_named_for_good(temporal: WorkflowEnvironment, skill: Skill) -> None:
    never: dict[str, Any] = {undo: [says_no, says_no] for undo in skill.undos.values()}
    async with a_run(temporal, skill, held=[*skill.effects.values()][-1]) as told:
        await told.hotel.until_called([*skill.effects.values()][-1])
        told.hotel.faults.update({name: [*faults] for name, faults in never.items()})
        told.hotel.faults[skill.last_read] = [refuses]
        told.hotel.hold[[*skill.effects.values()][-1]].set()
        await told.run.decides(Verdict.ABANDON)
        await told.run.decides(Verdict.ABANDON, number=2)
        ending = await told.run.ending()
        said = skill.said(told.hotel)

    assert (ending.state, said) == ("undo_incomplete", skill.after)


# Cancelled, and put to people.


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_one_that_is_cancelled_before_anything_is_done_has_done_nothing(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    async with a_run(temporal, skill, held=skill.first_read) as told:
        await told.hotel.until_called(skill.first_read)
        await told.run.cancel()
        assert not (await told.run.view()).final, "the call is still under way"
        told.hotel.hold[skill.first_read].set()
        ending = await told.run.ending()
        states = await told.run.states()
        said = skill.said(told.hotel)

    assert (ending.state, states) == ("cancelled", [skill.states[0], "cancelled"])
    assert (told.hotel.effects(), said) == ([], skill.before)


@pytest.mark.parametrize(("skill", "state"), EFFECTS, ids=named)
async def test_one_that_is_cancelled_in_the_middle_waits_for_the_call_in_flight_and_undoes_it(
    temporal: WorkflowEnvironment, skill: Skill, state: str
) -> None:
    tool = skill.effects[state]
    async with a_run(temporal, skill, held=tool) as told:
        await told.hotel.until_called(tool)
        await told.run.cancel()
        assert told.undos() == []
        told.hotel.hold[tool].set()
        ending = await told.run.ending()
        states = await told.run.states()
        said = skill.said(told.hotel)

    assert (ending.state, states[-2:], said) == ("cancelled", [state, "cancelled"], skill.before)


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_one_that_is_cancelled_while_it_is_read_back_is_undone(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    async with a_run(temporal, skill, held=[*skill.effects.values()][-1]) as told:
        await until_it_reads_back(told, skill)
        await told.run.cancel()
        assert not (await told.run.view()).final, "the call is still under way"
        told.hotel.hold[skill.last_read].set()
        ending = await told.run.ending()
        states = await told.run.states()
        undos, said = told.undos(), skill.said(told.hotel)

    assert (ending.state, states[-2:]) == ("cancelled", ["verifying", "cancelled"])
    assert undos == [skill.undos[each] for each in reversed([*skill.effects.values()])]
    assert said == skill.before


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_a_first_read_that_failed_is_made_again_when_people_say_retry(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    async with a_run(temporal, skill, faults={skill.first_read: refuses}) as told:
        request = await told.run.asked()
        await told.run.decides(Verdict.RETRY)
        ending = await told.run.ending()
        said = skill.said(told.hotel)

    assert skill.first_read in request.title
    assert [each.role for each in request.obligations] == ["duty_manager"]
    assert (ending.state, said) == (skill.ending, skill.after)


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_a_last_read_that_failed_is_made_again_when_people_say_retry(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    async with a_run(temporal, skill, held=[*skill.effects.values()][-1]) as told:
        await told.hotel.until_called([*skill.effects.values()][-1])
        told.hotel.faults[skill.last_read] = [refuses]
        told.hotel.hold[[*skill.effects.values()][-1]].set()
        await told.run.decides(Verdict.RETRY)
        ending = await told.run.ending()
        states = await told.run.states()
        said = skill.said(told.hotel)

    assert states[-4:] == ["verifying", "escalated", "verifying", skill.ending]
    assert (ending.state, said) == (skill.ending, skill.after)


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_one_that_cannot_go_on_waits_for_the_duty_manager(temporal: WorkflowEnvironment, skill: Skill) -> None:
    async with a_run(temporal, skill, faults={skill.first_read: refuses}) as told:
        request = await told.run.asked()
        state = (await told.run.view()).state

    assert [each.role for each in request.obligations] == ["duty_manager"]
    assert request.options == (Verdict.RETRY, Verdict.ABANDON)
    assert (state, told.hotel.effects()) == ("escalated", [])


@pytest.mark.parametrize("skill", SKILLS, ids=named)
async def test_one_that_is_cancelled_while_people_are_asked_leaves_nothing(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    async with a_run(temporal, skill, faults={skill.first_read: refuses}) as told:
        await told.run.asked()
        await told.run.cancel("no longer wanted")
        ending = await told.run.ending()
        states = await told.run.states()

    assert (ending.state, states[-2:]) == ("cancelled", ["escalated", "cancelled"])
    assert told.hotel.effects() == []


@pytest.mark.parametrize(("server", "change", "skill"), MEDDLED, ids=named)
async def test_a_step_that_was_taken_back_behind_its_back_is_noticed(
    temporal: WorkflowEnvironment, server: str, change: str, skill: Skill
) -> None:
    last = [*skill.effects.values()][-1]
    async with a_run(temporal, skill, held=last) as told:
        await told.hotel.until_called(last)
        told.hotel.faults[last] = [meddling(told, server, change)]
        told.hotel.hold[last].set()
        request = await told.run.asked()
        await told.run.decides(Verdict.ABANDON)
        ending = await told.run.ending()

    assert request.title.startswith("the books do not say what should be: ")
    assert ending.state == "cancelled"
