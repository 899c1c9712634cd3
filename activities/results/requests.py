"""What Claude can ask of results it has had, and how the Messages API is told of it."""

from pydantic import Field, JsonValue, field_validator, model_validator

from activities.claude_port import ClaudeTool
from contracts.model import Model
from contracts.pointers import steps_of

READ_RESULT_NAME = "read_result"
LONGEST_QUERY = 200
_RANGE = r"^([1-9][0-9]{0,8}(-([1-9][0-9]{0,8})?)?)?$"
Asked = str | int | float | bool | None


class CannotRead(ValueError):
    """A request does not fit the result; the message names the field and what there is instead."""


class ReadRequest(Model):
    """One question about a stored result, or about all of a conversation. Everything given must hold."""

    ref: str = Field(default="", pattern=r"^(r[0-9]{1,9}\.[0-9]{1,9})?$")
    """Such as `r3.0`; empty: all results, for `query` alone."""
    path: str = Field(default="", max_length=2000)
    """JSON pointer (RFC 6901) to a value within the result; empty: all of it."""
    rows: str = Field(default="", pattern=_RANGE)
    """`41-60`, `41-` or `41`, counted from 1."""
    columns: tuple[str, ...] = Field(default=(), max_length=100)
    where: dict[str, Asked] = Field(default={}, max_length=20)
    query: str = Field(default="", max_length=LONGEST_QUERY)
    characters: str = Field(default="", pattern=_RANGE)
    """Of one row, or of the value at `path`; as `rows`."""

    @field_validator("path")
    @classmethod
    def _is_pointer(cls, path: str) -> str:
        steps_of(path)
        return path

    @field_validator("rows", "characters")
    @classmethod
    def _ascends(cls, given: str) -> str:
        first, last = range_of(given)
        if last is not None and last < first:
            raise ValueError(f"{given!r} ends before it begins; write {last}-{first}")
        return given

    @model_validator(mode="after")
    def _says_enough(self) -> "ReadRequest":
        if not self.ref and not self.query:
            raise ValueError("name a result with ref, such as r3.0, or search all of them with query")
        if not self.ref and (self.path or self.rows or self.columns or self.where or self.characters):
            raise ValueError("without ref all results are searched, by query alone; name a result with ref")
        if self.characters and (self.columns or self.where or self.query):
            raise ValueError("characters go with ref, path and a single row only")
        return self


def range_of(given: str) -> tuple[int, int | None]:
    """First and last of `41-60` (both included), `41-` (None: to the end), `41`, or of nothing (all)."""
    first, dash, last = given.partition("-")
    if not dash and first:
        return int(first), int(first)
    return int(first or 1), int(last) if last else None


def _text(description: str) -> dict[str, JsonValue]:
    return {"type": "string", "description": description}


READ_RESULT = ClaudeTool(
    name=READ_RESULT_NAME,
    description=(
        "Reads in results of tool calls you made earlier in this conversation. Large or older results are shown to "
        "you only in part or as one line, with a reference such as r3.0; all of each is kept, exactly as it came. "
        "Use this instead of calling the tool again: it asks no server and changes nothing. "
        "ref alone shows the result from its beginning. Rows are the items of a list, the rows of a table, the fields "
        "of an object or the lines of a text; where an object is mostly one list, its rows are meant. They are "
        "numbered from 1. rows, columns, where and query can be combined; what does not fit into one answer is "
        "continued as the last line of the answer says. query without ref searches all results, the newest first. "
        "In answers, <angle brackets> stand for what is not shown; everything else is as it was written."
    ),
    input_schema={
        "type": "object",
        "properties": {
            "ref": _text("Reference of one result, such as r3.0. Without it all results are searched for query."),
            "path": _text("JSON pointer to a value within the result, such as /orders/12/items (counted from 0)."),
            "rows": _text("Which rows, such as 41-60, or 41 for a single one; the first is 1."),
            "columns": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Names of the columns to show of a table; the others are left out.",
            },
            "where": {
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                "description": 'Only rows of a table whose columns have these values, such as {"status": "open"}.',
            },
            "query": _text("Only rows in which this text occurs, whatever its case; names of columns do not count."),
            "characters": _text("Of one long text, or of a single row, only these characters, such as 1-4000."),
        },
        "additionalProperties": False,
    },
)
