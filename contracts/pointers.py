"""JSON pointers (RFC 6901): how one value within a document is named."""

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
