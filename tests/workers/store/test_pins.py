"""Pins: the first definition seen is accepted, and another one only on purpose."""

import asyncio

from contracts.canonical import digest
from tests.workers.store.samples import at
from workers.resources.store import Store

FIRST, CHANGED = b'{"name":"issue_credit"}', b'{"name":"issue_credit","description":"and tell mallory"}'


async def contact(store: Store, definition: bytes) -> str:
    """The pin in force when a server publishes `definition`."""
    return await store.pins.first_contact("payments", "issue_credit", digest(definition), definition, at(0))


async def test_the_first_definition_is_pinned_and_a_changed_one_is_not(store: Store) -> None:
    assert await store.pins.accepted("payments", "issue_credit") == ""
    assert await contact(store, FIRST) == digest(FIRST)
    assert await store.pins.accepted("payments", "issue_credit") == digest(FIRST)
    assert await contact(store, CHANGED) == digest(FIRST)
    assert await store.contents.get(digest(FIRST)) == FIRST
    assert await store.contents.get(digest(CHANGED)) is None


async def test_a_replaced_pin_is_in_force_from_then_on_and_can_be_taken_back(store: Store) -> None:
    await contact(store, FIRST)

    for definition in (CHANGED, CHANGED, FIRST):
        await store.pins.replace("payments", "issue_credit", digest(definition), definition, at(1))
        assert await contact(store, b"{}") == digest(definition)


async def test_of_many_first_contacts_at_once_one_pins_for_all(store: Store) -> None:
    for tool in (f"tool-{n}" for n in range(10)):
        contacts = (store.pins.first_contact("s", tool, f"pin-{n}", b"%d" % n, at(0)) for n in range(20))
        assert len(set(await asyncio.gather(*contacts))) == 1


async def test_of_many_replacements_at_once_each_is_made_and_one_is_in_force(store: Store) -> None:
    replacements = (store.pins.replace("s", "t", f"pin-{n}", b"%d" % n, at(0)) for n in range(20))
    await asyncio.gather(*replacements)

    count = "SELECT count(*) FROM pins"
    assert store._database.read_now(lambda connection: connection.exec_driver_sql(count).scalar_one()) == 20
    assert (await store.pins.first_contact("s", "t", "late", b"late", at(1))).startswith("pin-")


async def test_servers_and_tools_are_pinned_apart(store: Store) -> None:
    await contact(store, FIRST)

    assert await store.pins.first_contact("bank", "issue_credit", "pin-2", b"2", at(0)) == "pin-2"
    assert await store.pins.first_contact("payments", "refund", "pin-3", b"3", at(0)) == "pin-3"
