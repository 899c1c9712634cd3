"""What a server changed in a tool since an operator accepted it, in one line for people."""

import json
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from contracts.escaping import plain

LONGEST_LINE, LONGEST_PLACE, LONGEST_VALUE = 300, 90, 40
_BEFORE_THE_CHANGE = 8
"""Characters of a long text that are shown before the first one that differs."""
_LAST = ("icons", "_meta")
"""Fields that steer nobody are told last, so that a flood of them cannot push the others out of the line."""


def difference(accepted: Mapping[str, JsonValue], published: Mapping[str, JsonValue]) -> str:
    """The fields that changed between two forms of `ToolDefinition.as_published()`; empty when none did.

    At most 300 characters, all escaped: both sides were written by the server.
    """
    changes = list(_changes("", _flat(accepted), _flat(published)))
    told, left = "", len(changes)
    for change in changes:
        longer = f"{told}; {change}" if told else change
        if len(longer) + len(_rest(left - 1)) > LONGEST_LINE:
            break
        told, left = longer, left - 1
    return told + _rest(left)


def _rest(count: int) -> str:
    return f"; and {count} more" if count else ""


def _flat(definition: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The published fields beside the server's name: `published.` before every place would tell nobody anything."""
    fields = dict(definition)
    published = fields.pop("published", None)
    return fields | published if isinstance(published, dict) else fields


def _changes(place: str, old: JsonValue, new: JsonValue) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys(), key=lambda name: (name in _LAST, name)):
            yield from _change(
                f"{place}.{name}" if place else name, name in old, name in new, old.get(name), new.get(name)
            )
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            within = number < len(old), number < len(new)
            yield from _change(f"{place}[{number}]", *within, _at(old, number), _at(new, number))
    elif not _same(old, new):
        yield f"{_shown(place)} changed from {_values(old, new)}"


def _change(place: str, was: bool, now: bool, old: JsonValue, new: JsonValue) -> Iterator[str]:
    if was and now:
        yield from _changes(place, old, new)
    else:
        yield f"{_shown(place)} {'removed' if was else 'added'}"


def _at(items: list[JsonValue], number: int) -> JsonValue:
    return items[number] if number < len(items) else None


def _same(old: JsonValue, new: JsonValue) -> bool:
    """As canonical JSON has it: 1 is 1.0, and neither is true."""
    if isinstance(old, dict | list) or isinstance(new, dict | list):
        return False
    return isinstance(old, bool) == isinstance(new, bool) and old == new


def _values(old: JsonValue, new: JsonValue) -> str:
    if not (isinstance(old, str) and isinstance(new, str)):
        return f"{_value(old)} to {_value(new)}"
    alike = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = alike - _BEFORE_THE_CHANGE if max(len(old), len(new)) > LONGEST_VALUE else 0
    return f"{_text(old, start)} to {_text(new, start)}"


def _text(text: str, start: int) -> str:
    """The part of `text` that is of interest, in quotes."""
    return f"{'…' if start > 0 else ''}{_value(text[max(0, start) :])}"


def _value(value: JsonValue) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), LONGEST_VALUE)


def _shown(place: str) -> str:
    return _cut(place, LONGEST_PLACE)


def _cut(text: str, limit: int) -> str:
    """`text`, escaped, in at most `limit` characters."""
    shown = plain(text, limit)
    return shown if len(text) <= limit and len(shown) <= limit else f"{shown[: limit - 1]}…"
