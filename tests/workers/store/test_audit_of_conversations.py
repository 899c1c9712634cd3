"""Whoever changes what Claude was asked or has said, or takes a turn away, is found out."""

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import JsonValue
from sqlalchemy import Connection, delete, update

from activities.conversations import Delta
from tests.stores import BOTH
from tests.workers.store.audited import Audited, new_store
from tests.workers.store.samples import RUN, answered, at
from workers.resources.audit.findings import Verdict
from workers.resources.store import Store
from workers.resources.store.schema import TURNS

SAID: list[JsonValue] = [{"type": "text", "text": "40.00, because it is broken"}]


@pytest.fixture(scope="module", params=BOTH)
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """A store with a conversation of three turns, the last one not answered."""
    folder = tmp_path_factory.mktemp("audited")
    made = Audited(new_store(request, folder), folder / "checkpoints.jsonl")
    asyncio.run(_converse(made.url))
    yield made


async def _converse(url: str) -> None:
    store = Store.open(url)
    for turn in range(3):
        asked = Delta(turn=turn, user=[{"type": "text", "text": f"turn {turn}"}])
        await store.conversations.ask(RUN, "assessing", asked, at(turn))
        if turn < 2:
            await store.conversations.answer(RUN, "assessing", turn, SAID, answered(), at(turn))
    store.close()


def test_a_conversation_that_nobody_has_touched_is_whole(audited: Audited) -> None:
    report = audited.verify(with_checkpoints=False)
    assert [finding for finding in report.findings if "turn" in finding.problem] == []


@pytest.mark.parametrize("column", ["user", "assistant"])
def test_a_turn_that_was_changed_in_the_store_is_found_out(audited: Audited, column: str) -> None:
    other: list[JsonValue] = [{"type": "text", "text": "4000.00"}]

    def change(connection: Connection) -> None:
        connection.execute(update(TURNS).where(TURNS.c.turn == 1).values({column: other}))

    report = audited.verify(change, with_checkpoints=False)
    side = {"user": "asked", "assistant": "said"}[column]
    assert report.verdict is Verdict.TAMPERED
    assert any(f"was changed in the store: {side} is not as recorded" in each.problem for each in report.findings)


def test_a_turn_that_was_taken_away_is_missed(audited: Audited) -> None:
    def take_away(connection: Connection) -> None:
        connection.execute(delete(TURNS).where(TURNS.c.turn == 1))

    report = audited.verify(take_away, with_checkpoints=False)
    assert any("which is not in the store" in each.problem for each in report.findings)
