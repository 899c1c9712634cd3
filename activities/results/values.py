"""JSON read without losing anything: every value beside the text it was written as."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

MOST_NESTED = 64
"""What is nested deeper is taken for text: how deep an interpreter can go depends on where it stands."""


class Number(str):
    """A number with a fraction or an exponent as it was written, NaN and Infinity included; never rounded."""

    __slots__ = ()


Parsed: TypeAlias = "dict[str, Parsed] | list[Parsed] | int | Number | str | bool | None"
_CONTAINERS = (dict, list)
_DECODER = json.JSONDecoder(parse_float=Number, parse_constant=Number)
_SPACE = re.compile(r"[ \t\r\n]*+")
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
_STRING_OR_SPACE = re.compile(rf"({_STRING})|[ \t\r\n]++")
_NAME = re.compile(rf"({_STRING})[ \t\r\n]*+:[ \t\r\n]*+")
_BEHIND_FIELD = re.compile(r"[ \t\r\n]*+([,}])[ \t\r\n]*+")
_BEHIND_ITEM = re.compile(r"[ \t\r\n]*+([,\]])[ \t\r\n]*+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Value:
    """A JSON value: as it was written, and read. Of a name given twice the last one is read; both are written."""

    __slots__ = ("fields", "parsed", "raw")

    def __init__(self, raw: str, parsed: Parsed, fields: "tuple[Member, ...] | None" = None) -> None:
        self.raw, self.parsed = raw, parsed
        self.fields = fields
        """Of an object, once they were asked for."""


class Member(NamedTuple):
    """A field of an object: its name, the name as it was written, and the value."""

    name: str
    written: str
    value: Value


def json_in(text: str) -> Value | None:
    """The one JSON document that `text` is; None when it is none, or is nested deeper than MOST_NESTED."""
    raw = text.strip(" \t\r\n")
    try:
        value, end = _read(raw)
    except (ValueError, RecursionError):
        return None
    return value if end == len(raw) and _flat_enough(value.parsed) else None


def items(array: Value) -> Iterator[Value]:
    """The items of an array, in order; each is read when it is asked for."""
    raw, at = array.raw, _behind_space(array.raw, 1)
    while at < len(raw) and raw[at] != "]":
        parsed, end = _DECODER.raw_decode(raw, at)
        yield Value(raw[at:end], parsed)
        behind = _BEHIND_ITEM.match(raw, end)
        at = behind.end() if behind is not None and behind[1] == "," else len(raw)


def members(record: Value) -> tuple[Member, ...]:
    """The fields of an object, in order; a name that was given twice comes twice."""
    if record.fields is None:
        record.fields, _ = _members_in(record.raw)
    return record.fields


def inner(value: Value, name: str) -> Value | None:
    """The field or the item (counted from 0) of that name. JSON that stands in a string counts as what it says."""
    value = unpacked(value)
    if isinstance(value.parsed, dict) and name in value.parsed:
        return [member.value for member in members(value) if member.name == name][-1]
    if isinstance(value.parsed, list) and _INDEX.fullmatch(name):
        return next(islice(items(value), int(name), None), None)
    return None


def unpacked(value: Value) -> Value:
    """The object or array that a string holds as JSON; every other value itself."""
    text = value.parsed
    if not isinstance(text, str) or isinstance(text, Number) or not text.lstrip().startswith(("{", "[")):
        return value
    document = json_in(text)
    return document if document is not None else value


def compact(raw: str) -> str:
    """JSON without space between its parts; otherwise as it was written."""
    return _STRING_OR_SPACE.sub(r"\1", raw)


def quoted(text: str) -> str:
    """As a JSON string; only what UTF-8 cannot carry is escaped."""
    return json.dumps(text, ensure_ascii=not sayable(text))


def sayable(text: str) -> bool:
    """Whether UTF-8 can carry it: JSON may escape halves of characters, which it cannot."""
    return text.isascii() or _LONE_SURROGATE.search(text) is None


def _read(raw: str) -> tuple[Value, int]:
    """The value at the beginning, and where it ends. Raises ValueError, and RecursionError."""
    if raw.startswith("{"):
        fields, end = _members_in(raw)
        return Value(raw, {member.name: member.value.parsed for member in fields}, fields), end
    parsed, end = _DECODER.raw_decode(raw)
    return Value(raw, parsed), end


def _members_in(raw: str) -> tuple[tuple[Member, ...], int]:
    found: list[Member] = []
    at = _behind_space(raw, 1)
    if raw.startswith("}", at):
        return (), at + 1
    while (name := _NAME.match(raw, at)) is not None:
        written, at = name[1], name.end()
        parsed, end = _DECODER.raw_decode(raw, at)
        plain = written[1:-1] if "\\" not in written else json.loads(written)
        found.append(Member(plain, written, Value(raw[at:end], parsed)))
        behind = _BEHIND_FIELD.match(raw, end)
        if behind is None:
            break
        if behind[1] == "}":
            return tuple(found), behind.end(1)
        at = behind.end()
    raise ValueError("this is no JSON object")


def _flat_enough(parsed: Parsed) -> bool:
    level = [parsed] if isinstance(parsed, _CONTAINERS) else []
    for _ in range(MOST_NESTED):
        level = [each for container in level for each in _inside(container) if isinstance(each, _CONTAINERS)]
        if not level:
            return True
    return False


def _inside(container: Parsed) -> Iterable[Parsed]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _behind_space(raw: str, at: int) -> int:
    match = _SPACE.match(raw, at)
    return match.end() if match else at
