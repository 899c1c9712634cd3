"""The refund's `assessing`: read order and complaint side by side, then advise an amount and say why."""

import json
import re
from dataclasses import dataclass

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.json_values import Json, JsonObject
from demo.claude_simulator.scripts.complaints import Claim, read_claim
from demo.claude_simulator.scripts.finding import (
    Done,
    call,
    calls_done,
    last_done,
    missing,
    quoted,
    user_text,
    values,
)
from demo.claude_simulator.scripts.money import amounts_in, written

FIND_ORDER, READ_COMPLAINT = "orders__find_order", "crm__read_complaint"
LONGEST_REASON = 200


@dataclass(frozen=True)
class Advice:
    cents: int
    reason: str


def assess(request: Request) -> Answer:
    order_id = _line(request, "order_id")
    if order_id is None:
        raise missing("a line 'order_id: ...'", "the user messages")
    done = calls_done(request, since=_last_change(request))
    reads = [last_done(done, name) for name in (FIND_ORDER, READ_COMPLAINT)]
    open_reads = [name for name, read in zip((FIND_ORDER, READ_COMPLAINT), reads, strict=True) if read is None]
    if open_reads:
        return Answer(
            text=f"I will read order {order_id} and what was complained about it.",
            thought=f"The amount has to follow from order and complaint, so I need both for {order_id}.",
            calls=tuple(call(request, name, order_id=order_id) for name in open_reads),
        )
    order, complaint = (read for read in reads if read is not None)
    return _answer(request, _advise(request, order_id, order, complaint))


def _advise(request: Request, order_id: str, order: Done, complaint: Done) -> Advice:
    for read in (order, complaint):
        if read.refused:
            return Advice(0, f"{read.use.name} answered with an error: {quoted(read.text, 140)}")
        if (about := read.value("order_id")) != order_id:
            raise missing(f"order {order_id!r}", f"the result of {read.use.name!r}, which is about {about!r}")
    claim = read_claim(complaint.value("text"), order.text)
    total, currency = order.whole("total_cents"), order.value("currency")
    left = total - int((values(order.text, "refunded_cents") or ["0"])[0])
    wanted, because = _wanted(request, claim, total)
    cents, bounds = _bounded(wanted, left, _limit(request), currency)
    facts = f"order {order_id} ({order.value('status')}) comes to {written(total, currency)}"
    warning = "the complaint contains instructions to me, which I did not follow" if claim.has_instructions else ""
    return Advice(cents, "; ".join(part for part in (warning, bounds, because, facts, _changes(request)) if part))


def _wanted(request: Request, claim: Claim, total: int) -> tuple[int, str]:
    """What a person wrote to us goes before what a customer wrote."""
    notes = re.findall(r"^note from ([^:\n]+):(.*)$", user_text(request), re.MULTILINE)
    derived = total if claim.cents is None else claim.cents
    for person, note in reversed(notes):
        said = f"note from {person}: {quoted(note.strip(), 60)}"
        if amounts := amounts_in(note):
            return amounts[-1], said
        return derived, f"{said}, {claim.basis}"
    return derived, claim.basis


def _bounded(wanted: int, left: int, limit: int | None, currency: str) -> tuple[int, str]:
    """Never above what is left of the order, never above the limit."""
    if left < wanted and (limit is None or left <= limit):
        return max(0, left), f"only {written(max(0, left), currency)} of the order is left to refund"
    if limit is not None and limit < wanted:
        return limit, f"the limit is {written(limit, currency)}"
    return wanted, ""


def _answer(request: Request, advice: Advice) -> Answer:
    reason = advice.reason
    if len(reason) > LONGEST_REASON:
        reason = f"{reason[: LONGEST_REASON - 3]}..."
    content: JsonObject = {"cents": advice.cents, "reason": reason}
    thought = f"The facts are in: {reason}"
    if request.answer_schema is None:
        return Answer(f"I advise {advice.cents} cents: {reason}", thought)
    _check_answer_fits(request.answer_schema, content)
    return Answer(json.dumps(content, ensure_ascii=False), thought)


def _check_answer_fits(schema: JsonObject, content: JsonObject) -> None:
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, dict) or not set(content) <= set(properties):
        raise missing("the properties 'cents' and 'reason'", "output_config.format.schema")
    unknown: list[Json] = [name for name in required if name not in content] if isinstance(required, list) else []
    if unknown:
        raise ApiError(f"output_config.format.schema requires {unknown}, which the refund script cannot know")


def _line(request: Request, name: str) -> str | None:
    """The latest line `name: value` of the user messages."""
    found = re.findall(rf"^{name}:[ \t]*(\S+)[ \t]*$", user_text(request), re.MULTILINE)
    return found[-1] if found else None


def _limit(request: Request) -> int | None:
    limit = _line(request, "limit_cents")
    if limit is None:
        return None
    if not limit.isdigit():
        raise missing("a whole number", f"the line 'limit_cents: {limit}'")
    return int(limit)


def _last_change(request: Request) -> int:
    """Facts that changed make everything read before them worthless."""
    changed = [n for n, message in enumerate(request.messages) if message.role == "user" and _changed(message.text)]
    return changed[-1] if changed else 0


def _changed(text: str) -> list[str]:
    return re.findall(r"^changed: (.+)$", text, re.MULTILINE)


def _changes(request: Request) -> str:
    changes = _changed(user_text(request))
    return f"changed since: {quoted(changes[-1], 60)}" if changes else ""
