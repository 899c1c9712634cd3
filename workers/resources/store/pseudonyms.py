"""Stable names that reveal nobody: HMAC under a key that is drawn once for the life of a store."""

import hashlib
import hmac
import secrets

from sqlalchemy import Connection

from workers.resources.store.database import Database
from workers.resources.store.meta import kept

PSEUDONYM_KEY = "pseudonym_key"


class Pseudonyms:
    """The names of one store. Its key is read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key: bytes | None = None

    async def of(self, name: str) -> str:
        """The pseudonym of `name` in this store: 64 hexadecimal digits."""
        if self._key is None:
            self._key = await self._database.write(_key)
        return hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _key(connection: Connection) -> bytes:
    return kept(connection, PSEUDONYM_KEY, secrets.token_bytes(32))
