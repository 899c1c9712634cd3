"""Every rule of every file in policies/, shown deciding one way and the other."""

import re

import pytest

from contracts.policy import RulingEffect
from contracts.tools import EffectClass, Purpose
from policies.engine import CedarRules, PolicyQuestion
from tests.policies.questions import OURS, ask, credit
from workers.settings import REPOSITORY

UNDO = Purpose.COMPENSATION
MAIL = "mail.send_mail"

# Rule -> a question that goes well because of it (or with it satisfied), and one that fails by it or for want of it.
VECTORS: dict[str, tuple[PolicyQuestion, PolicyQuestion]] = {
    "reading": (
        ask("orders.find_order", effect_class=EffectClass.READ),
        ask("orders.find_order", effect_class=EffectClass.IDEMPOTENT),
    ),
    "refund-credit": (credit(100), credit(100, automation="errand")),
    "refund-over-50": (credit(5001, signed=1), credit(5001)),
    "refund-over-1000": (credit(100_001, signed=2), credit(100_001, signed=1)),
    "refund-over-5000": (credit(500_000, signed=2), credit(500_001, signed=2)),
    "refund-mark-order": (ask("orders.mark_refunded"), ask("orders.mark_refunded", automation="errand")),
    "refund-tell-customer": (ask(MAIL), ask(MAIL, automation="payroll")),
    "refund-undo-credit": (
        ask("payments.reverse_credit", purpose=UNDO, undoes=True),
        ask("payments.reverse_credit", purpose=UNDO),
    ),
    "refund-undo-mark": (
        ask("orders.unmark_refunded", purpose=UNDO, undoes=True),
        ask("orders.unmark_refunded", undoes=True),
    ),
    "errand-note": (ask("crm.add_note", automation="errand"), ask("crm.add_note", automation="refund")),
    "errand-mail": (
        ask(MAIL, automation="errand", approvals={"support_lead": 1}),
        ask(MAIL, automation="payroll", approvals={"support_lead": 1}),
    ),
    "errand-mail-signed": (
        ask(MAIL, automation="errand", approvals={"support_lead": 1}),
        ask(MAIL, automation="errand"),
    ),
}


TEXT = "\n".join(path.read_text() for path in sorted((REPOSITORY / "policies").glob("*.cedar")))
RULES = re.split(r"^(?=@id)", TEXT, flags=re.MULTILINE)


def test_every_rule_has_its_vectors() -> None:
    assert set(re.findall(r'@id\("([^"]+)"\)', TEXT)) == set(VECTORS)


@pytest.mark.parametrize("rule_id", VECTORS)
def test_a_rule_lets_something_through_and_stops_something(rule_id: str) -> None:
    good, bad = (OURS.rule(question) for question in VECTORS[rule_id])
    assert good.effect is RulingEffect.PERMIT
    assert bad.effect is not RulingEffect.PERMIT
    assert rule_id in good.rule_ids + bad.rule_ids


@pytest.mark.parametrize("rule_id", VECTORS)
def test_without_a_rule_one_of_its_vectors_comes_out_otherwise(rule_id: str) -> None:
    others = CedarRules({"others": "".join(rule for rule in RULES if f'"{rule_id}"' not in rule)})
    for question in VECTORS[rule_id]:
        if others.rule(question).effect is not OURS.rule(question).effect:
            return
    pytest.fail(f"{rule_id} changes nothing that its vectors show")
