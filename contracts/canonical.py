"""Canonical JSON (RFC 8785) and the digests made from it: the one way anything of ours is named by content."""

import hashlib
import json
import math
from contextlib import suppress
from typing import NoReturn

import rfc8785
from pydantic import BaseModel, JsonValue

_LARGEST = 2**53 - 1
"""The largest number that every reader of JSON takes for itself."""


def canonical_json(value: JsonValue | BaseModel) -> bytes:
    """`value` in the form of RFC 8785: the same bytes for the same meaning, whoever writes them.

    Raises ValueError for half of a surrogate pair, NaN, infinities and integers beyond 2**53.
    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    with suppress(UnicodeEncodeError):
        if _is_ordinary(plain):  # the standard library writes it the same, in less time
            return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return rfc8785.dumps(plain)


def _is_ordinary(value: JsonValue) -> bool:
    """Without fractions, large numbers, and names whose order depends on how they are encoded."""
    if value is None or isinstance(value, str | bool):
        return True
    if isinstance(value, dict):
        return all(type(name) is str and name.isascii() and _is_ordinary(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_is_ordinary, value))
    return type(value) is int and -_LARGEST <= value <= _LARGEST


def digest(value: JsonValue | BaseModel | bytes) -> str:
    """`sha256:<hex>` over the canonical JSON of `value`, or over the bytes themselves."""
    data = value if isinstance(value, bytes) else canonical_json(value)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse_json(text: str | bytes) -> JsonValue:
    """JSON as strictly as we sign it: no duplicate keys, no NaN or Infinity, no abyss. Raises ValueError."""
    try:
        parsed: JsonValue = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read; give flatter JSON") from error
    return parsed


def _no_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    seen: dict[str, JsonValue] = {}
    for name, value in pairs:
        if name in seen:
            raise ValueError(f"the field {name!r} is given twice; give it once")
        seen[name] = value
    return seen


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number; give a finite one")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number; give a finite one")
