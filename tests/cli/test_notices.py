"""`interlock notices` and what `interlock doctor` says of them: nobody is left untold unseen."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.notices import NoticeState, Route
from tests.cli.conftest import CommandLine
from tests.workers.store.samples import notice
from workers.resources.store import Store

NOW = datetime.now(UTC)
SHORTLY = NOW + timedelta(minutes=5)


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The store that the commands find: one notice waits, one is sent, one is undeliverable."""
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("INTERLOCK_STORE", url)
    opened = await asyncio.to_thread(Store.open, url, (Route(channel="mail", personal=True),))
    await opened.outbox.put((notice(1, "fiona"), notice(2, "grace")), NOW)
    first, second = await opened.outbox.lease("mail", "me", SHORTLY, NOW, 9)
    await opened.outbox.sent(first, NOW)
    await opened.outbox.give_up(second, "me", NOW, "mx:25 refuses the address: 550 no such user")
    await opened.outbox.put((notice(3, "linus"),), NOW)
    yield opened
    await asyncio.to_thread(opened.close)


async def test_what_is_undeliverable_or_waits_is_listed_with_the_way_out(store: Store, interlock: CommandLine) -> None:
    listed = await interlock.anywhere("notices", "list")

    assert listed.code == 0
    lost, waiting, following = listed.out.splitlines()[1:]
    assert lost.startswith("n-2\tmail\tgrace\trequest\trefund/A-17#1\tundeliverable\t1\t")
    assert lost.endswith("550 no such user") and waiting.startswith("n-3\tmail\tlinus\t")
    assert following == "next: interlock notices retry n-2"
    assert "example.com" not in listed.out


async def test_scripts_get_one_document_without_addresses_and_texts(store: Store, interlock: CommandLine) -> None:
    listed = await interlock.anywhere("notices", "list", "--json")

    assert [(row["notice"]["id"], row["state"]) for row in listed.document] == [
        ("n-2", NoticeState.UNDELIVERABLE.value),
        ("n-3", NoticeState.WAITING.value),
    ]
    assert "example.com" not in listed.out and "read it" not in listed.out


async def test_an_undeliverable_notice_is_sent_anew_when_somebody_asks(store: Store, interlock: CommandLine) -> None:
    again = await interlock.anywhere("notices", "retry", "n-2", "--as", "otto")

    assert again.code == 0 and "n-2 is sent anew by 1 channel" in again.out
    assert await store.outbox.undeliverable(9) == ()
    assert [row.notice.id for row in await store.outbox.lease("mail", "me", SHORTLY, datetime.now(UTC), 9)] == [
        "n-3",
        "n-2",
    ]


@pytest.mark.parametrize("which", ["n-1", "n-9"])
async def test_what_was_sent_or_never_was_cannot_be_sent_anew(store: Store, interlock: CommandLine, which: str) -> None:
    refused = await interlock.anywhere("notices", "retry", which)
    assert refused.code == 2
    assert refused.err == f"no notice '{which}' is unsent; `interlock notices list` shows those that are\n"


async def test_without_a_store_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interlock: CommandLine
) -> None:
    monkeypatch.setenv("INTERLOCK_STORE", f"sqlite:///{tmp_path}/none.db")
    assert (await interlock.anywhere("notices", "list")).code == 3
    assert not (tmp_path / "none.db").exists()


async def test_the_doctor_tells_of_undeliverable_notices_until_they_are_sent_anew(
    store: Store, interlock: CommandLine
) -> None:
    ill = await interlock.anywhere("doctor", "--address", "127.0.0.1:1")
    told = "FAIL notices: 1 undeliverable within 3 days, the last: mx:25 refuses the address: 550 no such user"
    assert told in ill.out

    await interlock.anywhere("notices", "retry", "n-2", "--as", "otto")
    well = await interlock.anywhere("doctor", "--address", "127.0.0.1:1")
    assert "ok   notices: none undeliverable within 3 days" in well.out


async def test_the_doctor_reads_the_channels_and_names_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interlock: CommandLine
) -> None:
    file = tmp_path / "notices.toml"
    monkeypatch.setenv("INTERLOCK_NOTICES", str(file))
    file.write_text('[channels.pager]\ntype = "command"\ncommand = ["page"]\n')
    well = await interlock.anywhere("doctor", "--address", "127.0.0.1:1")
    assert f"ok   channels: {file}: pager (command)" in well.out

    file.write_text('[channels.pager]\ntype = "command"\n')
    ill = await interlock.anywhere("doctor", "--address", "127.0.0.1:1")
    assert f"FAIL channels: {file}: channels.pager.command is missing; add it" in ill.out
