"""Signatures of thinking and names of tool calls: derived, so that a restarted simulator knows its own."""

import base64
import hashlib
import hmac
import re

_KEY = b"the Claude simulator's own; it proves nothing outside this program"


def sign_thinking(model: str, thought: str, shown: str) -> str:
    """The thought may be hidden from the caller; the signature carries its digest and binds what is shown."""
    digest = hashlib.sha256(thought.encode()).digest()[:12]
    return base64.b64encode(digest + _seal(model, shown, digest)).decode()


def is_own_signature(model: str, shown: str, signature: str) -> bool:
    try:
        content = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(content[12:], _seal(model, shown, content[:12]))


def name_tool_use(model: str, request_digest: str, position: int, signature: str) -> str:
    """The mark in the name says that this model's thinking came with the call and has to come back too."""
    mark = _mark(model) if signature else "0000"
    return f"toolu_{mark}{hashlib.sha256(f'{request_digest}/{position}'.encode()).hexdigest()[:20]}"


def came_with_thinking(model: str, tool_use_id: str) -> bool:
    return re.fullmatch(rf"toolu_{_mark(model)}[0-9a-f]{{20}}", tool_use_id) is not None


def _mark(model: str) -> str:
    return "f" + hashlib.sha256(model.encode()).hexdigest()[:3]


def _seal(model: str, shown: str, digest: bytes) -> bytes:
    return hmac.digest(_KEY, b"\0".join((model.encode(), shown.encode(), digest)), "sha256")[:24]
