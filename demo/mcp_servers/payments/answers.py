"""What the payment provider remembers of idempotency keys: the request that came with one, and its answer."""

import sqlite3
from typing import TypeVar

from demo.mcp_servers.record import Record
from demo.mcp_servers.refusals import Refused

AnswerT = TypeVar("AnswerT", bound=Record)

TABLES = (
    """CREATE TABLE answers (
        idempotency_key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL)""",
)


def answered(connection: sqlite3.Connection, key: str, request: str, kind: type[AnswerT]) -> AnswerT | None:
    """The answer that was given under this key; None when there was none."""
    row = connection.execute("SELECT * FROM answers WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row["request"] != request:
        raise Refused(
            f"the idempotency key {key!r} was used with other parameters before; use a new key for a new call"
        )
    return kind.model_validate_json(row["answer"])


def remember(connection: sqlite3.Connection, key: str, request: str, answer: Record) -> None:
    """Keep an answer, in the transaction of the effect it tells of."""
    connection.execute("INSERT INTO answers VALUES (?, ?, ?)", (key, request, answer.model_dump_json()))
