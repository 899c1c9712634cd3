"""Pins: which definition of a tool was accepted, and which were accepted before."""

from sqlalchemy import Connection, select

from contracts.model import Moment
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database, insert_new
from workers.resources.store.schema import PINS


class Pins:
    """The accepted definitions of tools. Every write commits before it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first_contact(self, server: str, tool: str, pin: str, definition: bytes, at: Moment) -> str:
        """The pin in force; the first definition ever seen of a tool is accepted as it is."""

        def accept(connection: Connection) -> str:
            _add(connection, server, tool, 1, pin, definition, at)  # never a second version, whatever rivals do
            return _in_force(connection, server, tool)[1]

        standing = await self._database.read(lambda connection: _in_force(connection, server, tool)[1])
        return standing or await self._database.write(accept)

    async def accepted(self, server: str, tool: str) -> str:
        """The pin in force; empty when nobody accepted one."""
        return await self._database.read(lambda connection: _in_force(connection, server, tool)[1])

    async def replace(self, server: str, tool: str, pin: str, definition: bytes, at: Moment) -> None:
        """Accept another definition; accepting the one in force changes nothing."""

        def accept(connection: Connection) -> None:
            version, standing = _in_force(connection, server, tool)
            while standing != pin:  # a rival that was faster is replaced in turn
                _add(connection, server, tool, version + 1, pin, definition, at)
                version, standing = _in_force(connection, server, tool)

        await self._database.write(accept)


def _add(connection: Connection, server: str, tool: str, version: int, pin: str, definition: bytes, at: Moment) -> None:
    """Enter `pin` as that version, unless a rival has entered another one."""
    row = {"server": server, "tool": tool, "version": version, "pin": pin, "pinned_at": at}
    insert_new(connection, PINS, {**row, "definition": put_content(connection, definition)})


def _in_force(connection: Connection, server: str, tool: str) -> tuple[int, str]:
    """Version and pin in force; 0 and nothing before first contact."""
    query = select(PINS.c.version, PINS.c.pin).where(PINS.c.server == server, PINS.c.tool == tool)
    row = connection.execute(query.order_by(PINS.c.version.desc()).limit(1)).one_or_none()
    return (0, "") if row is None else (row.version, row.pin)
