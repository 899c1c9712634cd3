"""Skills, from a real MCP client of both protocol eras: what is offered to whom, and what runs come of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp import MCPError

from cli.deciding import written
from cli.exits import Refused, WrongInput
from cli.mcp import serving_key
from cli.starting import make_order, start
from contracts.skills import Caller
from tests.cli.front_desk import (
    DEPLOYMENT,
    ERAS,
    FIONA,
    GUEST,
    PATIENCE,
    RITA,
    RUBEN,
    Era,
    FrontDesk,
    Heard,
    a_front_desk,
    document,
    names,
    words,
)
from tests.cli.hostile import A_MANAGER, a_used_statement, attacks
from workflows.catalog import Catalog

pytestmark = [pytest.mark.timeout(90), pytest.mark.many]
BESIDE = ["run_status", "wait_for_run", "cancel_run"]
DECIDING = ["pending_approvals", "approve"]
SMALL = {"limit_cents": 4000}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDesk]:
    """Production, with everything in force."""
    async with a_front_desk(tmp_path_factory.mktemp("store")) as desk:
        yield desk


@pytest.fixture
def order() -> str:
    """An order nobody has heard of."""
    return f"A-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("era", ERAS)
async def test_personas_see_only_their_skills_each_shaped_like_its_job(desk: FrontDesk, era: Era) -> None:
    seen = {}
    for caller in (GUEST, RITA, FIONA, Caller(name="nobody"), Caller(name="FIONA"), Caller(name="\ufb01ona")):
        async with desk.client(caller, era) as client:
            seen[caller.name] = (await client.list_tools()).tools

    assert names(seen["guest:5812"]) == ["errand", *BESIDE]
    assert names(seen["rita"]) == ["refund", *BESIDE]
    assert names(seen["fiona"]) == ["refund", *BESIDE, *DECIDING]
    assert [seen[name] for name in ("nobody", "FIONA", "\ufb01ona")] == [[], [], []]
    refund, entry = seen["rita"][0], Catalog.load().find("refund")
    assert refund.input_schema == entry.request.model_json_schema()
    assert refund.description is not None and refund.description.startswith(entry.description)
    assert "(order_id)" in refund.description


async def test_the_user_of_this_machine_is_offered_every_automation_where_no_file_says_otherwise(
    desk: FrontDesk,
) -> None:
    desk.skills, before = None, desk.skills
    try:
        async with desk.client(Caller(name="rita", local=True)) as local, desk.client(RITA) as remote:
            offered, not_local = (await local.list_tools()).tools, (await remote.list_tools()).tools
    finally:
        desk.skills = before

    assert names(offered) == [*(entry.name for entry in Catalog.load().entries()), *BESIDE, *DECIDING]
    assert not_local == []


async def test_a_skill_of_another_persona_is_as_unknown_as_one_there_is_not(desk: FrontDesk, order: str) -> None:
    async with desk.client(GUEST) as client:
        with pytest.raises(MCPError) as not_theirs:
            await client.call_tool("refund", {"order_id": order})
        with pytest.raises(MCPError) as nowhere:
            await client.call_tool("refnd", {"order_id": order})
        with pytest.raises(MCPError) as deciding:
            await client.call_tool("approve", {"request": f"refund/{order}#1"})

    assert (not_theirs.value.code, str(not_theirs.value)) == (-32602, "Unknown tool: refund")
    assert (nowhere.value.code, str(nowhere.value)) == (-32602, "Unknown tool: refnd")
    assert (deciding.value.code, str(deciding.value)) == (-32602, "Unknown tool: approve")


@pytest.mark.parametrize("era", ERAS)
async def test_a_small_refund_runs_to_its_end_in_the_callers_name_and_is_told_on_the_way(
    desk: FrontDesk, order: str, era: Era
) -> None:
    heard = Heard()
    async with desk.client(RITA, era) as client:
        await client.list_tools()
        started = document(await client.call_tool("refund", {"order_id": order, **SMALL}))
        waited = await client.call_tool("wait_for_run", {"run": started["run"]}, progress_callback=heard.progressed)

    assert (started["run"], started["attached"], started["final"]) == (f"refund/{order}", False, False)
    assert (document(waited)["state"], document(waited)["good"]) == ("refunded", True)
    assert heard.told[-1] == f"refund/{order}: refunded"
    assert len(heard.told) == len(set(heard.told)) > 3
    assert await desk.requester_of(started["run"]) == ("rita", "desk")
    assert desk.shop.books[order].credits == [4000]


async def test_the_same_case_attaches_and_other_input_is_refused_naming_the_difference(
    desk: FrontDesk, order: str
) -> None:
    run = await desk.waiting(RITA, order)
    async with desk.client(RUBEN) as client:
        again = document(await client.call_tool("refund", {"order_id": order}))
        other = await client.call_tool("refund", {"order_id": order, "limit_cents": 1})

    assert (again["run"], again["attached"]) == (run, True)
    assert other.is_error
    assert f"{run} is under way with other input: limit_cents differ" in words(other)
    assert await desk.requester_of(run) == ("rita", "desk")


async def test_an_ended_case_is_answered_with_its_ending(desk: FrontDesk, order: str) -> None:
    async with desk.client(RITA) as client:
        first = document(await client.call_tool("refund", {"order_id": order, **SMALL}))
        await client.call_tool("wait_for_run", {"run": first["run"]})
        again = document(await client.call_tool("refund", {"order_id": order, **SMALL}))

    assert (again["attached"], again["final"], again["state"], again["good"]) == (True, True, "refunded", True)
    assert desk.shop.books[order].credits == [4000]


async def test_input_that_does_not_fit_is_refused_naming_the_field_and_starts_nothing(
    desk: FrontDesk, order: str
) -> None:
    async with desk.client(RITA) as client:
        missing = await client.call_tool("refund", {})
        extra = await client.call_tool("refund", {"order_id": order, "orderid": "x"})
        text = await client.call_tool("refund", {"order_id": order, "limit_cents": "40"})
        status = await client.call_tool("run_status", {"run": f"refund/{order}"})

    assert words(missing) == "refund: order_id is missing; give it"
    assert words(extra).startswith("refund: orderid is no field of 'refund'; its fields are order_id, limit_cents")
    assert words(text).startswith("refund: limit_cents should be a valid integer")
    assert all(result.is_error for result in (missing, extra, text, status))


async def test_where_a_run_waits_for_people_its_handle_says_for_whom_and_how(desk: FrontDesk, order: str) -> None:
    run = await desk.waiting(RITA, order)
    async with desk.client(RITA) as client:
        handle = document(await client.call_tool("run_status", {"run": run}))

    [question] = handle["waits_for"]
    assert (question["request"], question["command"]) == (f"{run}#1", f"interlock approvals show {run}#1")
    assert question["who"].startswith("a finance_manager until ")
    assert question["answers"] == ["approve", "reject", "return"]
    assert "for_people" in handle["next"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "answers", [{}, {"answer": "come back later"}, {"answer": "approve"}, {"approve": True, "answer": ["approve"]}]
)
async def test_a_question_reaches_whoever_sits_there_and_no_answer_of_theirs_decides_anything(
    desk: FrontDesk, order: str, era: Era, answers: dict[str, Any]
) -> None:
    run = await desk.waiting(RITA, order)
    heard = Heard(answers)
    async with desk.client(RITA, era, heard) as client:
        waited = document(await client.call_tool("wait_for_run", {"run": run, "seconds": 20}))

    [asked] = heard.asked
    assert f"interlock approvals show {run}#1" in asked
    assert "decides nothing" in asked
    assert (waited["state"], desk.shop.books[order].credits) == ("awaiting_approval", [])
    assert (await desk.server.view(run)).refused_count == 0


@pytest.mark.parametrize("era", ERAS)
async def test_who_goes_on_waiting_hears_of_the_end_once_somebody_has_signed(
    desk: FrontDesk, order: str, era: Era
) -> None:
    run = await desk.waiting(RITA, order)
    statement = (await desk.statement(run, desk.people.fiona)).model_dump(mode="json")
    heard = Heard({"answer": "go on waiting"})
    async with desk.client(RITA, era, heard) as client, desk.client(FIONA, era) as managers:
        await client.list_tools()
        waiting = asyncio.create_task(client.call_tool("wait_for_run", {"run": run}))
        await asyncio.wait_for(heard.was_asked.wait(), PATIENCE)
        decided = document(await managers.call_tool("approve", {"request": f"{run}#1", "statement": statement}))
        waited = document(await waiting)

    assert (decided["decided"], decided["outcome"]) == (True, "approved")
    assert waited["state"] == "refunded"
    assert len(desk.shop.books[order].credits) == 1


async def test_approve_takes_no_verdict_and_answers_with_the_command(desk: FrontDesk, order: str) -> None:
    run = await desk.waiting(RITA, order)
    async with desk.client(FIONA) as client:
        pending = document(await client.call_tool("pending_approvals"))
        bare = document(await client.call_tool("approve", {"request": f"{run}#1"}))
        verdict = await client.call_tool("approve", {"request": f"{run}#1", "verdict": "approve"})

    assert f"{run}#1" in [question["request"] for question in pending["requests"]]
    assert (bare["decided"], bare["command"]) == (False, f"interlock approvals approve {run}#1 --as fiona")
    assert verdict.is_error and "verdict is no field of 'approve'" in words(verdict)
    assert (await desk.server.view(run)).state == "awaiting_approval"


async def test_a_statement_as_it_is_printed_counts_and_counts_once(desk: FrontDesk, order: str) -> None:
    run = await desk.waiting(RITA, order)
    printed = written(await desk.statement(run, desk.people.frank))
    async with desk.client(FIONA) as client:
        given = {"request": f"{run}#1", "statement": printed}
        first = document(await client.call_tool("approve", given))
        second = await client.call_tool("approve", given)

    assert (first["decided"], first["outcome"]) == (True, "approved")
    assert second.is_error
    assert len(desk.shop.books[order].credits) <= 1


async def test_other_peoples_runs_look_like_none_and_cannot_be_cancelled(desk: FrontDesk, order: str) -> None:
    run = await desk.waiting(RITA, order)
    said = {}
    async with desk.client(RUBEN) as client:
        for named in (run, f"refund/no-{order}"):
            calls = {"run_status": {}, "wait_for_run": {}, "cancel_run": {"reason": "mine"}}
            for tool, more in calls.items():
                result = await client.call_tool(tool, {"run": named, **more})
                assert result.is_error
                said[named, tool] = words(result).replace(named, "RUN")

    assert set(said.values()) == {"no run 'RUN' of yours answers; take its name from its handle, or try again"}
    assert (await desk.server.view(run)).state == "awaiting_approval"


async def test_who_oversees_an_automation_sees_and_cancels_its_runs(desk: FrontDesk, order: str) -> None:
    run = await desk.waiting(RITA, order)
    async with desk.client(FIONA) as client:
        seen = document(await client.call_tool("run_status", {"run": run}))
        document(await client.call_tool("cancel_run", {"run": run, "reason": "the guest has left"}))
        ended = document(await client.call_tool("wait_for_run", {"run": run, "for_people": True}))
        too_late = await client.call_tool("cancel_run", {"run": run, "reason": "again"})

    assert (seen["run"], ended["state"], ended["good"]) == (run, "cancelled", False)
    assert too_late.is_error and "has ended already (cancelled)" in words(too_late)


async def test_a_run_that_temporal_ended_is_told_as_that(desk: FrontDesk, order: str) -> None:
    run = await desk.waiting(RITA, order)
    await desk.server.handle(run).terminate("by hand")
    async with desk.client(RITA) as client:
        waited = await client.call_tool("wait_for_run", {"run": run, "for_people": True})

    assert waited.is_error
    assert words(waited).startswith(f"{run} was ended by Temporal without an ending of its own")


async def test_only_the_key_of_a_service_signs_starts(
    desk: FrontDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_KEYS", str(tmp_path / "keys"))
    for person in ("fiona", "nobody"):
        with pytest.raises(Refused, match=f"'{person}' is no service of the roster in force"):
            await serving_key(desk.server, DEPLOYMENT, person)
    with pytest.raises(WrongInput, match="name it with --service or INTERLOCK_SERVICE"):
        await serving_key(desk.server, DEPLOYMENT, "")
    with pytest.raises(Refused, match="'desk' has no key on this machine that counts today"):
        await serving_key(desk.server, DEPLOYMENT, "desk")


async def test_a_start_that_a_person_signed_in_anothers_name_is_refused(desk: FrontDesk, order: str) -> None:
    desk_of_a_person = desk.desk(signed_by=desk.people.fiona)
    entry = Catalog.load().find("refund")
    request = entry.request.model_validate({"order_id": order})
    started = await start(desk.server, make_order(entry, request, "rita", ""), desk_of_a_person._key_for)
    ending = await desk.server.handle(started.run).result()

    assert ending.state == "cancelled"
    assert "'fiona' cannot ask in the name of 'rita'; only a service can" in ending.reason


async def test_a_hostile_client_with_a_managers_token_gets_nothing_approved_and_no_effect(
    desk: FrontDesk, order: str
) -> None:
    run, other = await desk.waiting(RITA, order), await desk.waiting(RITA, f"{order}-b")
    used = await a_used_statement(desk, f"{order}-c")
    desk.skills, before = A_MANAGER, desk.skills
    try:
        async with desk.client(FIONA) as client:
            tried = [outcome async for outcome in attacks(desk, client, run, other, used)]
    finally:
        desk.skills = before
    views = [await desk.server.view(each) for each in (run, other)]

    assert len(tried) > 200
    assert [attack for attack, taken in tried if taken] == []
    assert [view.state for view in views] == ["awaiting_approval"] * 2
    assert [len(request.approvals) for view in views for request in view.waiting_for] == [0, 0]
    credited = {number: len(books.credits) for number, books in desk.shop.books.items() if order in number}
    assert credited == {order: 0, f"{order}-b": 0, f"{order}-c": 1}
