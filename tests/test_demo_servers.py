"""The demo's servers as a toolbox: it is as strict as the real one where a story could not tell."""

import pytest

from activities.toolbox import UnknownServer
from tests.demo_servers import DemoServers, a_folder, read_rows, says_no

ONE = ("tickets",)


async def test_a_server_that_was_not_chosen_is_unknown() -> None:
    with a_folder(ONE) as data:
        toolbox = await DemoServers.at(data, ONE)

        with pytest.raises(UnknownServer, match="no server 'payments' is declared"):
            await toolbox.definitions("payments")
        with pytest.raises(UnknownServer, match="no server 'payments' is declared"):
            toolbox.rules("payments")


async def test_what_the_servers_file_says_of_plans_stands_among_the_rules() -> None:
    with a_folder(("changes",)) as data:
        toolbox = await DemoServers.at(data, ("changes",))

    assert toolbox.rules("changes").plans == {"open_change": "steps"}


async def test_a_key_goes_where_the_servers_file_wants_it_and_faults_come_in_their_turn() -> None:
    ordered = {"employee_id": "E-2041", "kind": "hardware", "needed_by": "2026-12-24", "reference": "a-run"}
    with a_folder(ONE) as data:
        toolbox = await DemoServers.at(data, ONE, {"tickets.create_ticket": [None, says_no]})
        create = toolbox.known["tickets.create_ticket"]
        first, second, third = [await toolbox.call(create, {**ordered}, "key-1") for _ in range(3)]
        (key,) = read_rows(data, "tickets", "SELECT idempotency_key FROM tickets")

    assert (first.is_error, second.content, third) == (False, "not today", first)
    assert key == ("key-1",)
