"""JSON pointers (RFC 6901): how one value within a document is named."""

import re

from pydantic import JsonValue

POINTER = r"^(/([^/~]|~[01])*)+$"
"""A pointer to a value within, not to the whole document."""


def value_at(document: JsonValue, pointer: str) -> JsonValue:
    """The value at `pointer`, or None where there is none. The document itself at the empty pointer."""
    value = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def step_to(name: str) -> str:
    """The part of a pointer that leads into the field or item of that name."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def steps_of(pointer: str) -> list[str]:
    """The names that a pointer leads through. Raises ValueError when it is none."""
    if pointer and not re.fullmatch(POINTER, pointer):
        raise ValueError(f"{pointer!r} is no JSON pointer; one is '' (all of it) or like '/orders/0/name'")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
