"""How moments and JSON are written in a column: the same text on SQLite and PostgreSQL."""

import json
from datetime import datetime

from pydantic import BaseModel, JsonValue
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from contracts.model import rfc3339


class MomentText(TypeDecorator[datetime]):
    """RFC 3339 text, UTC, milliseconds: every value is equally long, so text order is time order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else rfc3339(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else datetime.fromisoformat(value)


class JsonText(TypeDecorator[JsonValue]):
    """JSON as compact ASCII text in the order it came; None is NULL.

    Not RFC 8785: an answer of Claude is kept as received, and neither a NUL, nor half a surrogate pair, nor
    an integer beyond 2**53 from outside may stop the record of an effect that has happened.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: JsonValue | BaseModel, dialect: Dialect) -> str | None:
        """To the database."""
        if value is None:
            return None
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        return json.dumps(plain, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> JsonValue:
        """From the database."""
        if value is None:
            return None
        plain: JsonValue = json.loads(value)
        return plain
