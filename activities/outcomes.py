"""What is said of a tool result: its bytes, its shape, and the few facts a workflow asked for."""

import json

from pydantic import JsonValue

from contracts.canonical import digest
from contracts.pointers import value_at
from contracts.tools import ResultRef, Scalar

MAX_FACT_CHARACTERS = 120


def content_bytes(content: JsonValue) -> bytes:
    """Text as it is, everything else as JSON with sorted keys."""
    if isinstance(content, str):
        return content.encode()
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


def result_ref(content: bytes) -> ResultRef:
    """Content address, size and shape."""
    return ResultRef(digest=digest(content), size_bytes=len(content), shape=_shape(parsed(content)))


def facts_of(content: bytes | None, wanted: dict[str, str]) -> dict[str, Scalar]:
    """The scalars at the wanted JSON pointers (RFC 6901); None where there is none. Long text is cut."""
    document = parsed(content or b"null")
    return {name: _scalar(value_at(document, pointer)) for name, pointer in wanted.items()}


def parsed(content: bytes) -> JsonValue:
    """Content as JSON; what is none, as text."""
    try:
        document: JsonValue = json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
    return document


def _shape(value: JsonValue) -> str:
    if isinstance(value, dict):
        return f"object of {len(value)}: {', '.join(sorted(value))}"[:100]
    if isinstance(value, list):
        return f"array of {len(value)}"
    return "text" if isinstance(value, str) else type(value).__name__


def _scalar(value: JsonValue) -> Scalar:
    if isinstance(value, str):
        return value[:MAX_FACT_CHARACTERS]
    if isinstance(value, float):
        return str(value)
    return value if isinstance(value, int | bool) else None
