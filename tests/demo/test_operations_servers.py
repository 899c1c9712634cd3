"""The pretend systems of operations in memory: the rules by which they refuse, and that what was done is taken back."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer
from pydantic import JsonValue

from contracts.canonical import digest
from demo.mcp_servers.archive import server as archive
from demo.mcp_servers.archive.stacks import Stacks
from demo.mcp_servers.changes import server as changes
from demo.mcp_servers.changes.register import ChangeRegister
from demo.mcp_servers.releases import server as releases
from demo.mcp_servers.releases.fleet import Fleet
from demo.mcp_servers.vault import server as vault
from demo.mcp_servers.vault.strongroom import Strongroom
from tests.demo.asking import ask, refusal

OURS, THEIRS = {"reference": "ours"}, {"reference": "theirs"}


def register(data: Path) -> MCPServer:
    return changes.build_server(ChangeRegister(data))


def fleet(data: Path) -> MCPServer:
    return releases.build_server(Fleet(data))


def strongroom(data: Path) -> MCPServer:
    return vault.build_server(Strongroom(data))


# The change register -----------------------------------------------------------------------------------------


def a_change(**otherwise: Any) -> dict[str, Any]:
    """A change of one step, whose plan has the digest that it says."""
    steps: list[JsonValue] = [
        {
            "tool": "releases.deploy",
            "arguments": {"service": "pricing", "version": "5.3.0"},
            "expected": "the prices are rounded for each line, “as agreed”",
            "check": {"version": "5.3.0"},
            "undo": "releases.roll_back",
            "action": f"sha256:{sha256(b'the call').hexdigest()}",
        }
    ]
    change = {
        "change_id": "CHG-1",
        "kind": "deployment",
        "subject": "pricing",
        "summary": "rounding",
        "plan_digest": digest(steps),
        "steps": steps,
        **OURS,
    }
    return change | otherwise


async def test_a_change_is_opened_with_its_plan_closed_once_and_withdrawn_by_whoever_opened_it(tmp_path: Path) -> None:
    ours = {"change_id": "CHG-1", **OURS}
    async with Client(register(tmp_path)) as client:
        opened = await ask(client, "open_change", **a_change())
        assert await ask(client, "open_change", **a_change()) == opened
        assert (opened["status"], opened["step_count"]) == ("open", 1)
        assert (await ask(client, "changes_of", subject="pricing"))["open_count"] == 1
        await ask(client, "withdraw_change", change_id="CHG-1", **THEIRS)
        assert (await ask(client, "changes_of", subject="pricing"))["open_count"] == 1
        closed = await ask(client, "close_change", **ours)
        assert (closed["status"], await ask(client, "close_change", **ours)) == ("done", closed)
        await ask(client, "withdraw_change", **ours)
        assert (await ask(client, "changes_of", subject="pricing"))["changes"][0]["status"] == "withdrawn"
        assert "open it first" in await refusal(client, "close_change", **ours)


@pytest.mark.parametrize(
    ("otherwise", "sentence"),
    [
        ({"plan_digest": f"sha256:{'0' * 64}"} | THEIRS, "plan_digest is not the digest of these steps"),
        (THEIRS, "change 'CHG-1' is open already, for 'ours'"),
        ({"change_id": "CHG-2"} | THEIRS, "'pricing' is being changed already by 'CHG-1'"),
    ],
)
async def test_a_subject_has_one_open_change_and_its_plan_is_what_its_digest_says(
    tmp_path: Path, otherwise: dict[str, Any], sentence: str
) -> None:
    async with Client(register(tmp_path)) as client:
        await ask(client, "open_change", **a_change())
        assert sentence in await refusal(client, "open_change", **a_change(**otherwise))


# The release system ------------------------------------------------------------------------------------------


def to(stage: str, version: str = "2.15.0", service: str = "checkout-api") -> dict[str, Any]:
    return {"service": service, "version": version, "stage": stage, **OURS}


async def running(client: Client) -> tuple[str, str, str | None]:
    service = (await ask(client, "find_service", service="checkout-api"))["services"][0]
    return service["version"], service["status"], service["canary"]


async def test_a_version_is_tried_by_one_instance_runs_everywhere_and_can_be_rolled_back(tmp_path: Path) -> None:
    async with Client(fleet(tmp_path)) as client:
        before = await running(client)
        tried = await ask(client, "deploy", **to("canary"))
        assert (tried["version"], tried["canary"], tried["canary_status"]) == ("2.14.3", "2.15.0", "healthy")
        everywhere = await ask(client, "deploy", **to("all"))
        assert await ask(client, "deploy", **to("all")) == await ask(client, "deploy", **to("canary")) == everywhere
        assert await running(client) == ("2.15.0", "healthy", None)
        await ask(client, "roll_back", service="checkout-api", **THEIRS)
        assert await running(client) == ("2.15.0", "healthy", None)
        await ask(client, "roll_back", service="checkout-api", **OURS)
        await ask(client, "roll_back", service="checkout-api", **OURS)
        assert await running(client) == before == ("2.14.3", "healthy", None)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (to("canary", service="checkout"), "there is no service 'checkout'"),
        (to("canary", "9.9.9"), "'checkout-api' has no version '9.9.9'; list its versions"),
        (to("canary", "2.16.0"), "version '2.16.0' of 'checkout-api' is candidate; only what is released is deployed"),
        (to("canary", "2.14.3"), "'checkout-api' runs '2.14.3' already"),
        (to("all"), "no instance of 'checkout-api' tries '2.15.0' for you; deploy it to the canary first"),
    ],
)
async def test_what_may_not_be_deployed_is_refused(tmp_path: Path, asked: dict[str, Any], sentence: str) -> None:
    async with Client(fleet(tmp_path)) as client:
        assert sentence in await refusal(client, "deploy", **asked)


async def test_a_version_that_is_not_well_shows_it_and_goes_no_further(tmp_path: Path) -> None:
    async with Client(fleet(tmp_path)) as client:
        tried = await ask(client, "deploy", **to("canary", "2.15.2"))
        assert tried["canary_status"] == "degraded"
        assert "is degraded; roll it back" in await refusal(client, "deploy", **to("all", "2.15.2"))
        assert "is trying '2.15.2' for 'ours'" in await refusal(client, "deploy", **to("canary") | THEIRS)
        await ask(client, "roll_back", service="checkout-api", **OURS)
        await ask(client, "deploy", **to("canary", "2.15.1"))
        await ask(client, "deploy", **to("all", "2.15.1"))
        assert await running(client) == ("2.15.1", "degraded", None), "under full load it is not well"
        listed = await ask(client, "find_versions", service="checkout-api", version="2.15.1")
        assert [version["status"] for version in listed["versions"]] == ["released"]


# The vault ---------------------------------------------------------------------------------------------------

KEY = {"credential": "payments-gateway-key"}


async def test_a_rotation_locks_nobody_out_and_can_be_taken_back_until_the_old_version_is_revoked(
    tmp_path: Path,
) -> None:
    ours = KEY | OURS
    async with Client(strongroom(tmp_path)) as client:
        before = await ask(client, "find_credential", **KEY)
        issued = await ask(client, "issue_version", **ours)
        assert await ask(client, "issue_version", **ours) == issued
        assert (issued["current_version"], issued["pending_version"]) == (7, 8)
        await ask(client, "switch_consumer", consumer="checkout-api", **ours)
        assert "ledger-writer would be locked out" in await refusal(client, "revoke_version", version=7, **ours)
        assert "switch them back first" in await refusal(client, "withdraw_version", **ours)
        await ask(client, "switch_back", **KEY, **THEIRS)
        await ask(client, "switch_back", **ours)
        await ask(client, "withdraw_version", **ours)
        await ask(client, "withdraw_version", **ours)
        assert await ask(client, "find_credential", **KEY) == before
        await ask(client, "issue_version", **ours)
        for consumer in ("checkout-api", "ledger-writer"):
            await ask(client, "switch_consumer", consumer=consumer, **ours)
        revoked = await ask(client, "revoke_version", version=7, **ours)
        assert await ask(client, "revoke_version", version=7, **ours) == revoked
        assert (revoked["current_version"], revoked["pending_version"], revoked["revoked_version"]) == (8, None, 7)
        assert "nothing leads back to it" in await refusal(client, "switch_back", **ours)
        assert "nothing leads back to it" in await refusal(client, "withdraw_version", **ours)


@pytest.mark.parametrize(
    ("tool", "asked", "sentence"),
    [
        ("issue_version", {"credential": "nobodys-key"}, "there is no credential 'nobodys-key'"),
        ("issue_version", KEY | THEIRS, "version 8 of 'payments-gateway-key' is pending for 'ours'"),
        ("switch_consumer", KEY | THEIRS | {"consumer": "checkout-api"}, "was issued under this reference"),
        ("switch_consumer", KEY | {"consumer": "pricing"}, "'pricing' does not use 'payments-gateway-key'"),
        ("revoke_version", KEY | THEIRS | {"version": 7}, "nothing takes the place of 'payments-gateway-key'"),
        ("revoke_version", KEY | {"version": 6}, "version 6 is not in use; version 7 of 'payments-gateway-key' is"),
    ],
)
async def test_what_may_not_be_rotated_is_refused(
    tmp_path: Path, tool: str, asked: dict[str, Any], sentence: str
) -> None:
    async with Client(strongroom(tmp_path)) as client:
        await ask(client, "issue_version", **KEY, **OURS)
        assert sentence in await refusal(client, tool, **{**OURS, **asked})


# The archive -------------------------------------------------------------------------------------------------

OLD = {"dataset": "newsletter-2019"}
MARKED = OLD | OURS | {"keep_hours": 72}


class Clock:
    """Goes on when a test says so."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


async def stands(client: Client) -> dict[str, Any]:
    return dict((await ask(client, "find_dataset", **OLD))["datasets"][0])


async def test_a_dataset_is_marked_kept_a_while_and_purged_for_good_as_it_was_looked_at(tmp_path: Path) -> None:
    clock = Clock()
    async with Client(archive.build_server(Stacks(tmp_path, clock))) as client:
        before = await stands(client)
        marked = await ask(client, "mark_for_deletion", **MARKED)
        assert await ask(client, "mark_for_deletion", **MARKED) == marked
        await ask(client, "restore", **OLD, **THEIRS)
        assert (await stands(client))["status"] == "marked"
        purge = OLD | OURS | {"content_digest": before["content_digest"]}
        assert "is kept until 2026-11-23 09:00 UTC" in await refusal(client, "purge", **purge)
        clock.at += timedelta(hours=72)
        assert "not marked for deletion under this reference" in await refusal(client, "purge", **purge | THEIRS)
        await ask(client, "add_rows", row_count=1, **OLD)
        assert "is not what it was when it was looked at" in await refusal(client, "purge", **purge)
        purge["content_digest"] = (await stands(client))["content_digest"]
        gone = await ask(client, "purge", **purge)
        assert await ask(client, "purge", **purge) == gone
        assert (gone["status"], gone["row_count"], gone["content_digest"]) == ("purged", 0, "")
        assert "nothing brings it back" in await refusal(client, "restore", **OLD, **OURS)
        assert "nothing of it is left" in await refusal(client, "sample_rows", **OLD)


async def test_what_is_restored_is_as_it_was_and_looking_at_it_is_no_use_of_it(tmp_path: Path) -> None:
    clock = Clock()
    async with Client(archive.build_server(Stacks(tmp_path, clock))) as client:
        before = await stands(client)
        await ask(client, "mark_for_deletion", **MARKED)
        await ask(client, "restore", **OLD, **OURS)
        await ask(client, "restore", **OLD, **OURS)
        assert await stands(client) == before
        await ask(client, "sample_rows", **OLD)
        assert (await stands(client))["last_used_at"] == "2026-11-20T09:00:00Z"


async def test_a_legal_hold_keeps_data_from_being_marked_and_from_being_purged(tmp_path: Path) -> None:
    clock = Clock()
    async with Client(archive.build_server(Stacks(tmp_path, clock))) as client:
        held = {"dataset": "orders-2016", "keep_hours": 72, **OURS}
        assert "is under legal hold (LH-2031, tax audit)" in await refusal(client, "mark_for_deletion", **held)
        await ask(client, "mark_for_deletion", **MARKED)
        await ask(client, "place_hold", hold="LH-3000", **OLD)
        clock.at += timedelta(hours=73)
        purge = OLD | OURS | {"content_digest": (await stands(client))["content_digest"]}
        assert "is under legal hold (LH-3000)" in await refusal(client, "purge", **purge)
        await ask(client, "lift_hold", **OLD)
        assert (await ask(client, "purge", **purge))["status"] == "purged"


async def test_data_that_somebody_else_has_marked_is_not_marked_again(tmp_path: Path) -> None:
    async with Client(archive.build_server(Stacks(tmp_path))) as client:
        await ask(client, "mark_for_deletion", **MARKED)
        assert "is marked for deletion already, by 'ours'" in await refusal(
            client, "mark_for_deletion", **MARKED | THEIRS
        )
