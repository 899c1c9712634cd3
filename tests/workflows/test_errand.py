"""The errand automation, told as stories: turns, calls side by side, and the ways Claude can end it."""

import asyncio

from temporalio.testing import WorkflowEnvironment

from tests.doubles import answer_of, asks_for, says, says_no
from tests.workflows.errand_world import DONE, FIND, NOTE, READ, an_errand, tools


async def test_an_errand_ends_with_claudes_answer_kept_in_the_store(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (FIND,), says("It was delivered.")) as errand:
        ending = await errand.run.ending()
        states = await errand.run.states()
        answer = await errand.story.store.contents.get(ending.answer_ref)

    assert ending.state == "answered"
    assert answer == b"It was delivered."
    assert states == ["thinking", "calling", "thinking", "answered"]
    assert errand.toolbox.called == ["orders.find_order"]
    assert errand.told() == [('{"order_id": "A-17", "status": "delivered"}', False)]


async def test_the_calls_of_one_turn_are_made_side_by_side(temporal: WorkflowEnvironment) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(temporal, (FIND, READ, NOTE), DONE, toolbox=toolbox) as errand:
        await asyncio.gather(*(toolbox.until_called(name) for name, _ in (FIND, READ, NOTE)))
        assert not release.is_set(), "the second and the third did not wait for the first"
        release.set()
        ending = await errand.run.ending()
        view = await errand.run.view()

    assert ending.state == "answered"
    assert view.tool_calls == 3
    assert [text for text, _ in errand.told()] == [
        '{"order_id": "A-17", "status": "delivered"}',
        '{"text": "where is it?"}',
        '{"noted": true}',
    ], "in the order Claude asked, not in the order they came back"


async def test_claude_that_declines_the_goal_ends_the_errand(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, answer_of(says("I will not do that."), "refusal")) as errand:
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert (ending.state, ending.reason) == ("declined", "Claude declined the goal")
    assert states == ["thinking", "declined"]


async def test_an_errand_whose_turns_are_used_up_says_what_to_do(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (FIND,), turns=2) as errand:
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert ending.state == "exhausted"
    assert ending.reason == "2 turns were not enough; start again with more, or a smaller goal"
    assert states == ["thinking", "calling", "thinking", "calling", "thinking", "exhausted"]
    assert len(errand.claude.questions) == 2


async def test_a_tool_that_says_no_is_a_fact_for_claude(temporal: WorkflowEnvironment) -> None:
    toolbox = tools(orders__find_order=says_no("no such order"))
    async with an_errand(temporal, (FIND, READ), DONE, toolbox=toolbox) as errand:
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.told() == [("no such order", True), ('{"text": "where is it?"}', False)]


async def test_a_tool_policy_can_never_permit_is_not_offered(temporal: WorkflowEnvironment) -> None:
    asked = asks_for(("payments.issue_credit", {"cents": 100}), FIND)
    async with an_errand(temporal, asked, DONE, servers=("payments", "orders")) as errand:
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert [tool.name for tool in errand.claude.questions[0].tools] == ["orders__find_order", "read_result"]
    assert errand.toolbox.called == ["orders.find_order"]
    assert errand.told()[0] == ("'payments__issue_credit' was not offered", True)


async def test_a_tool_of_a_server_the_errand_does_not_name_is_refused(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (NOTE, FIND), DONE, servers=("orders",)) as errand:
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.toolbox.called == ["orders.find_order"]
    assert errand.told()[0] == ("'crm__add_note' was not offered", True)


async def test_arguments_that_do_not_fit_are_never_sent_and_claude_is_told_why(temporal: WorkflowEnvironment) -> None:
    wrong = ("orders.find_order", {"order_id": 17})
    async with an_errand(temporal, (wrong,), DONE) as errand:
        ending = await errand.run.ending()
        view = await errand.run.view()

    assert ending.state == "answered"
    assert (errand.toolbox.called, view.tool_calls) == ([], 0)
    text, failed = errand.told()[0]
    assert failed
    assert text.startswith("the arguments do not fit")
    assert text.endswith('$.order_id: must satisfy type "string"')


async def test_a_tool_whose_definition_changed_is_not_called_and_claude_is_told(temporal: WorkflowEnvironment) -> None:
    toolbox = tools()

    def note_is_changed() -> object:
        """The server publishes another definition than the one first seen."""
        toolbox.schemas = {"crm.add_note": {"type": "object", "description": "changed"}}
        return asks_for(NOTE, FIND)

    async with an_errand(temporal, (NOTE,), note_is_changed, DONE, toolbox=toolbox) as errand:
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert toolbox.called == ["crm.add_note", "orders.find_order"]
    text, failed = errand.told()[0]
    assert failed
    assert text.startswith("not made, refused: crm.add_note has changed since it was accepted")
