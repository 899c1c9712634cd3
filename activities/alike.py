"""Which requests ask the same: told in the inbox, so that many small amounts are seen as the one large sum they are."""

import re

from pydantic import JsonValue, ValidationError

from contracts.canonical import digest
from contracts.model import Model
from contracts.tools import Action

CURRENCY = re.compile(r"[A-Z]{3}")


class Alike(Model):
    """What requests have in common when they ask for the same."""

    digest: str
    """Over server, tool, and amount with currency; without an amount, over all arguments."""
    tool: str
    """`payments.issue_credit`."""
    cents: int | None = None
    """The amount of one, where the arguments have an integer of that name."""
    currency: str = ""


def alike_of(action: bytes | None) -> Alike | None:
    """What a stored action has in common with others; None when there is no action to tell."""
    try:
        called = Action.model_validate_json(action or b"")
    except ValidationError:
        return None  # an escalation is about a step, not about a call
    tool, amount = f"{called.server}.{called.tool}", called.arguments.get("cents")
    if not isinstance(amount, int) or isinstance(amount, bool):
        return Alike(digest=digest({"tool": tool, "arguments": called.arguments}), tool=tool)
    currency = _currency(called.arguments.get("currency"))
    same: dict[str, JsonValue] = {"tool": tool, "cents": amount, "currency": currency}
    return Alike(digest=digest(same), tool=tool, cents=amount, currency=currency)


def _currency(value: JsonValue) -> str:
    return value if isinstance(value, str) and CURRENCY.fullmatch(value) else ""
