"""`interlock servers`: how each server is doing, from the store alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.breakers import Breaker, Report, Trouble
from activities.ledger import LedgerState
from contracts.servers import BreakerRule
from tests.cli.enrolment import made_store
from tests.cli.test_tools import called, settle
from tests.workers.store.samples import claim, issued, lost
from workers.resources.store import Store

RULE = BreakerRule()
ILL = Report(trouble=Trouble.NOT_REACHED, problem="connection refused")
DECLARED = """
[servers.payments]
owner = "finance"
purpose = "payments"
transport = "stdio"
command = ["/nonexistent/payments"]
limits = { concurrency = 2, rate = "600/min" }

[servers.orders]
owner = "logistics"
purpose = "orders"
transport = "http"
url = "http://127.0.0.1:1/mcp"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with two servers, neither of which can be reached."""
    (tmp_path / "servers.toml").write_text(DECLARED)
    settle(monkeypatch, tmp_path, tmp_path / "servers.toml")
    return tmp_path


@asynccontextmanager
async def the_store(folder: Path) -> AsyncIterator[Store]:
    """The store that the command finds."""
    store = await asyncio.to_thread(Store.open, f"sqlite:///{folder}/store.db")
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)


def now() -> datetime:
    """The commands go by the clock of this machine."""
    return datetime.now(UTC)


async def fail(store: Store, times: int) -> Breaker:
    """So many calls of payments that failed just now."""
    for _ in range(times):
        leave = await store.breakers.admit("payments", "me", now())
        breaker = await store.breakers.record("payments", RULE, leave, ILL, now())
    return breaker


async def three_calls(store: Store) -> None:
    """One was answered, one answered when it was sent again, one never; and one long ago."""
    for key, answers, at in (
        ("answered", [issued()], now()),
        ("again", [lost(), issued()], now()),
        ("lost", [lost()], now()),
        ("old", [lost()], now() - timedelta(hours=2)),
    ):
        entry = await store.ledger.claim(claim(key), at)
        for answer in answers:
            sent = await store.ledger.mark_sent(key, entry.generation, "me", at)
            assert sent is not None
            state = LedgerState.DONE if answer.done else LedgerState.UNKNOWN
            await store.ledger.finish(key, sent.generation, state, answer, None, at)
            entry = sent


def rows(out: str) -> list[dict[str, str]]:
    """The table."""
    columns, *cells = [line.split("\t") for line in out.splitlines() if "\t" in line]
    return [dict(zip(columns, row, strict=True)) for row in cells]


def test_servers_that_were_never_called_are_shown_without_a_store_and_without_talking_to_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called(capsys, "servers")
    assert (code, err) == (0, "")
    payments, orders = rows(out)
    assert payments == {
        "server": "payments",
        "breaker": "closed",
        "since": "",
        "tried again": "",
        "frozen": "nothing",
        "failures": "0 of 10, opens above 30%",
        "at a time": "2 a worker",
        "rate": "600 in 60 s",
        "last hour": "0 calls, 0 unanswered",
        "last problem": "",
    }
    assert (orders["server"], orders["at a time"], orders["rate"]) == ("orders", "8 a worker", "any")
    assert not (folder / "store.db").exists()


def test_an_open_breaker_is_shown_with_its_last_problem_and_what_went_to_the_server(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_store(folder)

    async def happens() -> None:
        async with the_store(folder) as store:
            await three_calls(store)
            await fail(store, 4)

    asyncio.run(happens())
    code, out, _ = called(capsys, "servers", "status")
    payments = rows(out)[0]
    assert code == 0 and payments["since"] and payments["tried again"].startswith("in ")
    assert (payments["breaker"], payments["failures"]) == ("open", "4 of 10, opens above 30%")
    assert (payments["last problem"], payments["last hour"]) == ("connection refused", "4 calls, 2 unanswered")
    assert 'next: look into the runbook, "A server does not answer"' in out


def test_scripts_get_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_store(folder)

    async def happens() -> datetime | None:
        async with the_store(folder) as store:
            return (await fail(store, 4)).open_until

    until = asyncio.run(happens())
    for arguments in (("servers", "--json"), ("servers", "status", "--json")):
        code, out, _ = called(capsys, *arguments)
        payments, orders = json.loads(out)
        assert code == 0 and datetime.fromisoformat(payments["breaker"].pop("open_until")) == until
        assert datetime.fromisoformat(payments["breaker"].pop("since")) <= now()
        assert payments["breaker"] == {
            "position": "open",
            "opens_in_a_row": 1,
            "failures": 4,
            "last_problem": "connection refused",
        }
        assert payments["limits"]["rate"] == {"calls": 600, "seconds": 60}
        assert orders["breaker"]["position"] == "closed" and orders["rule"]["window"] == 10


def test_while_somebody_looks_whether_it_is_back_that_is_what_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_store(folder)

    async def happens() -> None:
        async with the_store(folder) as store:
            due = (await fail(store, 4)).open_until
            assert due is not None
            await store.breakers.admit("payments", "me", due)

    asyncio.run(happens())
    assert rows(called(capsys, "servers")[1])[0]["breaker"] == "probing"


def test_what_is_frozen_is_shown_beside_the_servers_that_it_stops(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_store(folder)
    for what in (("--tool", "orders.mark"), ("--automation", "refund"), ("--server", "payments")):
        assert called(capsys, "freeze", *what, "--reason", "being repaired", "--as", "olga")[0] == 0
    code, out, _ = called(capsys, "servers")
    _, told, _ = called(capsys, "servers", "--json")

    assert code == 0
    assert [(row["server"], row["frozen"]) for row in rows(out)] == [
        ("payments", "all of it"),
        ("orders", "orders.mark"),
    ]
    assert "the automation 'refund' is frozen since 20" in out
    assert out.count("take it back: interlock thaw ") == 3
    assert [[each["scope"] for each in server["frozen"]] for server in json.loads(told)] == [["server"], ["tool"]]
