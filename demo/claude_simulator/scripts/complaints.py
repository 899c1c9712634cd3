"""What a complaint supports: an amount it names, an item, or the whole order; never its instructions."""

import json
import re
from dataclasses import dataclass

from demo.claude_simulator.json_values import Json
from demo.claude_simulator.scripts.finding import quoted
from demo.claude_simulator.scripts.money import amounts_in

_INSTRUCTION = re.compile(
    r"\b(ignore|disregard|forget|override|bypass)\b.{0,60}\b(rules?|instructions?|polic(y|ies)|limits?|prompts?)\b"
    r"|\b(system|assistant|developer)\b[^.]{0,30}:"
    r"|\bnote to the (assistant|model|ai)\b"
    r"|\bno approval is (needed|required)\b|\bdo not (mention|tell|reveal)\b|\byou are now\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\b(refund|back|return|reimburse|owe)", re.IGNORECASE)
_DAMAGE = re.compile(
    r"\b(broken|pieces|damaged?|missing|cracked|scratched|split|snapped|holes?|torn|faulty|defective|wrong|unusable)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Claim:
    """`cents` is None when the complaint is about the whole order."""

    cents: int | None
    basis: str
    has_instructions: bool


def read_claim(complaint: str, order: str) -> Claim:
    sentences = re.split(r"(?<=[.!?])\s+", complaint)
    instructions = [n for n, sentence in enumerate(sentences) if _INSTRUCTION.search(sentence)]
    # Behind an instruction to the model no amount is believed; what happened to which item still is.
    believed = sentences[: instructions[0]] if instructions else sentences
    statements = [sentence for n, sentence in enumerate(sentences) if n not in instructions]
    has_instructions = bool(instructions)
    if named := _amount_asked_for(believed):
        return Claim(named[0], f"the complaint says {quoted(named[1], 90)}", has_instructions)
    if item := _item_complained_of(statements, order):
        return Claim(item[0], f"the complaint is about {item[1]!r}", has_instructions)
    if has_instructions:
        return Claim(0, "the complaint supports no amount", has_instructions)
    return Claim(None, f"the complaint is about the whole order: {quoted(complaint, 60)}", has_instructions)


def _amount_asked_for(sentences: list[str]) -> tuple[int, str] | None:
    found = [(amounts_in(sentence), sentence) for sentence in sentences]
    found = [(amounts, sentence) for amounts, sentence in found if amounts]
    for amounts, sentence in found:
        if _ASKS.search(sentence):
            return amounts[-1], sentence
    return (found[0][0][0], found[0][1]) if found else None


def _item_complained_of(sentences: list[str], order: str) -> tuple[int, str] | None:
    """The item whose own words stand in the clause that tells the damage."""
    items = _items(order)
    clauses = [clause for sentence in sentences for clause in re.split(r"[,;:]|\bbut\b|\bwhile\b", sentence)]
    for clause in (clause.lower() for clause in clauses if _DAMAGE.search(clause)):
        for name, cents in items:
            others = " ".join(other for other, _ in items if other != name).lower()
            own = [word for word in re.findall(r"[a-z]{4,}", name.lower()) if word not in others]
            if any(word in clause for word in own):
                return cents, name
    return None


def _items(order: str) -> list[tuple[str, int]]:
    """Name and price of every item that can be read whole, even when the order's text was cut."""
    found = []
    for text in re.findall(r"\{[^{}]*\}", order):
        try:
            item: dict[str, Json] = json.loads(text)
        except ValueError:
            continue
        name, price, quantity = item.get("name"), item.get("unit_price_cents"), item.get("quantity", 1)
        if isinstance(name, str) and isinstance(price, int) and isinstance(quantity, int):
            found.append((name, price * quantity))
    return found
