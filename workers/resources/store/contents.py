"""Contents by address: bytes that are named by their own digest."""

from sqlalchemy import Connection, bindparam, select

from contracts.canonical import digest
from workers.resources.store.database import Database, insert_new
from workers.resources.store.errors import ContentDamaged
from workers.resources.store.schema import CONTENTS

_BY_ADDRESS = select(CONTENTS.c.content).where(CONTENTS.c.address == bindparam("of_address"))


class SqlContents:
    """The port `activities.conversations.Contents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, content: bytes) -> str:
        """Store `content`; its `sha256:<hex>`."""
        return await self._database.write(lambda connection: put_content(connection, content))

    async def get(self, address: str) -> bytes | None:
        """The bytes stored under `address`, or None. Raises ContentDamaged."""
        content: bytes | None = await self._database.read(
            lambda connection: connection.scalar(_BY_ADDRESS, {"of_address": address})
        )
        if content is not None and digest(content) != address:
            raise ContentDamaged(address)
        return content


def put_content(connection: Connection, content: bytes) -> str:
    """Store `content` within a transaction that does more; its address."""
    address = digest(content)
    insert_new(connection, CONTENTS, {"address": address, "content": content})
    return address
