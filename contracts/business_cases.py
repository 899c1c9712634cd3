"""Business cases: which fields of an input identify one."""

import hashlib
import re

from pydantic import BaseModel

_SAFE = re.compile(r"^[A-Za-z0-9._-]{1,60}$")


def business_key_of(request: BaseModel) -> str:
    """What identifies the case: the fields that the input model names; long or unsafe values by their digest."""
    fields: tuple[str, ...] = getattr(request, "business_key", tuple(type(request).model_fields))
    parts = [_key_part(getattr(request, field)) for field in fields]
    return "-".join(part for part in parts if part)


def _key_part(value: object) -> str:
    text = str(value)
    if not text or _SAFE.match(text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:12]
