"""A hostile client with a manager's genuine token, over HTTP in both eras: it decides nothing, and nothing happens."""

import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cli.front_desk import ERAS, RITA, Era, FrontDesk, a_front_desk
from tests.cli.hostile import A_MANAGER, a_used_statement, attacks
from tests.end_to_end.skills_clients import over_http
from tests.workers.resources.skills import STAFF, TokenIssuer, skills_endpoint, skills_of

pytestmark = [pytest.mark.timeout(90), pytest.mark.many]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the store."""
    return tmp_path_factory.mktemp("store")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(folder: Path) -> AsyncIterator[FrontDesk]:
    """Production, with everything in force."""
    async with a_front_desk(folder) as desk:
        yield desk


@pytest.mark.parametrize("era", ERAS)
async def test_a_managers_token_in_hostile_hands_decides_nothing_over_http(
    desk: FrontDesk, folder: Path, tmp_path: Path, era: Era
) -> None:
    order, staff = f"A-{uuid.uuid4().hex[:8]}", TokenIssuer(STAFF)
    run, other = await desk.waiting(RITA, order), await desk.waiting(RITA, f"{order}-b")
    used = await a_used_statement(desk, f"{order}-c")
    before, sends = decisions_in(folder), sends_in(folder)
    skills = skills_of(tmp_path, staff).model_copy(update={"personas": A_MANAGER.personas})
    desk.skills, usual = skills, desk.skills
    try:
        async with (
            skills_endpoint(desk.desk(), skills) as port,
            over_http(f"http://127.0.0.1:{port}/mcp", staff.token(sub="fiona"), era) as client,
        ):
            offered = [tool.name for tool in (await client.list_tools()).tools]
            tried = [outcome async for outcome in attacks(desk, client, run, other, used, utf8=True)]
    finally:
        desk.skills = usual
    views = [await desk.server.view(each) for each in (run, other)]

    assert "approve" in offered
    assert len(tried) > 200
    assert [attack for attack, taken in tried if taken] == []
    assert [view.state for view in views] == ["awaiting_approval"] * 2
    assert [len(request.approvals) for view in views for request in view.waiting_for] == [0, 0]
    assert decisions_in(folder) == before
    assert sends_in(folder) == sends, "and nothing was sent to any server, for any run"
    credited = {number: len(books.credits) for number, books in desk.shop.books.items() if order in number}
    assert credited == {order: 0, f"{order}-b": 0, f"{order}-c": 1}


def decisions_in(folder: Path) -> list[tuple[str, str]]:
    """Who has decided what, by the store itself."""
    return _asked(folder, "SELECT approval_id, approver FROM decisions ORDER BY nonce")


def sends_in(folder: Path) -> list[tuple[str, str]]:
    """What was sent that is no read, by the store itself."""
    return _asked(folder, "SELECT key, tool FROM ledger WHERE sends > 0 AND effect_class <> 'read' ORDER BY key")


def _asked(folder: Path, question: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()
