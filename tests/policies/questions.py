"""Questions to policy, worded in one line."""

from pydantic import JsonValue

from contracts.tools import EffectClass, Purpose
from policies.engine import CedarRules, PolicyQuestion
from workers.settings import REPOSITORY

OURS = CedarRules.load([REPOSITORY / "policies"])

CREDIT_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "cents": {"type": "integer"}},
    "required": ["order_id", "cents"],
}
CHECKOUT_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "cents": {"type": "integer"},
        **{
            name: {"type": "string"}
            for name in ("booking_number", "room_number", "guest_email", "payment_method_id", "client_token")
        },
    },
    "required": ["cents", "booking_number", "room_number", "guest_email", "payment_method_id", "client_token"],
}
ASKED: dict[str, JsonValue] = {"order_id": "A-17"}
"""What the run was asked for, unless a test says otherwise."""


def ask(
    action: str,
    *,
    automation: str = "refund",
    request: dict[str, JsonValue] | None = None,
    arguments: dict[str, JsonValue] | None = None,
    schema: dict[str, JsonValue] | None = None,
    approvals: dict[str, int] | None = None,
    purpose: Purpose = Purpose.FORWARD,
    effect_class: EffectClass = EffectClass.OPAQUE,
    undoes: bool = False,
) -> PolicyQuestion:
    """May `action` ("server.tool") be done?"""
    server, tool = action.split(".", 1)
    return PolicyQuestion(
        requester="rita",
        automation=automation,
        request=ASKED if request is None else request,
        server=server,
        tool=tool,
        purpose=purpose,
        effect_class=effect_class,
        undoes_recorded_effect=undoes,
        arguments=arguments or {},
        input_schema=schema if schema is not None else {"type": "object"},
        approvals=approvals or {},
    )


def credit(cents: JsonValue, signed: int = 0, automation: str = "refund") -> PolicyQuestion:
    """May this be credited, with so many finance managers having signed?"""
    return ask(
        "payments.issue_credit",
        automation=automation,
        arguments={"order_id": "A-17", "cents": cents},
        schema=CREDIT_SCHEMA,
        approvals={"finance_manager": signed} if signed else {},
        effect_class=EffectClass.KEYED,
    )
