"""The base of everything that crosses a boundary: frozen, closed, and free of impure defaults."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer


class Model(BaseModel):
    """A frozen pydantic model that refuses unknown fields.

    Defaults must be constants: a default factory that draws a time or an id would differ on replay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def _utc_milliseconds(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone; write it in UTC, for example 2026-11-20T09:00:00.000Z")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """`moment` as RFC 3339 in UTC with milliseconds, the one written form of a time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime, AfterValidator(_utc_milliseconds), PlainSerializer(rfc3339, return_type=str, when_used="json")
]
"""A point in time: RFC 3339, UTC, milliseconds."""
