"""Contents by address: bytes that are named by their own digest."""

from functools import cache

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from activities.conversations import ContentErased
from contracts.canonical import digest
from workers.resources.store.database import Database
from workers.resources.store.errors import ContentDamaged
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import CONTENTS

_OF_ADDRESS = CONTENTS.c.address == bindparam("of_address")
_BY_ADDRESS = Prepared(select(CONTENTS.c.content, CONTENTS.c.erased_at).where(_OF_ADDRESS))


class SqlContents:
    """The port `activities.conversations.Contents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, content: bytes) -> str:
        """Store `content`, anew where it was erased; its `sha256:<hex>`."""
        return await self._database.write(lambda connection: put_content(connection, content))

    async def get(self, address: str) -> bytes | None:
        """The bytes stored under `address`, or None. Raises ContentErased, ContentDamaged."""
        values = {"of_address": address}
        row = await self._database.look_up(lambda connection: _BY_ADDRESS.one_or_none(connection, values))
        if row is None:
            return None
        if row["erased_at"] is not None:
            raise ContentErased(address, row["erased_at"])
        content: bytes = row["content"]
        if digest(content) != address:
            raise ContentDamaged(address)
        return content


def put_content(connection: Connection, content: bytes) -> str:
    """Store `content` within a transaction that does more; its address.

    Where it was erased somebody else may have had it: it is theirs from now on, and stands again.
    """
    address = digest(content)
    _put(connection.dialect.name).run(connection, {"address": address, "content": content})
    return address


@cache  # building a statement costs more than running it
def _put(dialect: str) -> Prepared:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    put = make(CONTENTS)
    # On PostgreSQL this waits for an erasure of the same content, and then sees what came of it.
    again = put.on_conflict_do_update(
        index_elements=[CONTENTS.c.address],
        set_={"content": put.excluded.content, "erased_at": None},
        where=CONTENTS.c.erased_at.is_not(None),
    )
    return Prepared(again, ("address", "content"))
