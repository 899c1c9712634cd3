"""The shape of a decision: small, closed, and exact about what it decides."""

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.decisions import APPROVAL_VERDICTS, MAX_DECISION_BYTES, OUTCOME_VERDICTS, Decision, Verdict

GOOD: dict[str, Any] = {
    "v": 1,
    "deployment": "local",
    "namespace": "default",
    "workflow_id": "refund/A-17",
    "first_run_id": "0197",
    "approval_id": "refund/A-17#1",
    "action_digest": "sha256:" + "0" * 64,
    "verdict": "approve",
    "approver": "dana",
    "issued_at": "2026-11-20T09:00:00.000Z",
    "expires_at": "2026-11-20T10:00:00.000Z",
    "display_digest": "sha256:" + "f" * 64,
}
LIMITS = {
    "deployment": 200,
    "namespace": 200,
    "workflow_id": 400,
    "first_run_id": 100,
    "approval_id": 450,
    "approver": 200,
    "key_id": 200,
    "nonce": 100,
    "note": 1000,
    "value": 1000,
    "signature": 200,
}


def test_an_unsigned_decision_leaves_key_nonce_and_signature_out() -> None:
    decision = Decision.model_validate(GOOD)
    assert (decision.key_id, decision.nonce, decision.signature) == (None, None, None)
    assert decision.model_dump(mode="json", exclude_unset=True) == GOOD


@pytest.mark.parametrize("field", [name for name in GOOD if name != "v"])
def test_nothing_that_binds_a_decision_can_be_left_out(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Decision.model_validate({name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize(("field", "limit"), LIMITS.items())
def test_every_text_of_a_decision_has_a_limit(field: str, limit: int) -> None:
    Decision.model_validate(GOOD | {field: "x" * limit})
    with pytest.raises(ValidationError, match=f"at most {limit} characters"):
        Decision.model_validate(GOOD | {field: "x" * (limit + 1)})


def test_every_text_is_among_the_limits() -> None:
    texts = {name for name, field in Decision.model_fields.items() if "str" in str(field.annotation)}
    assert texts - {"action_digest", "display_digest"} == set(LIMITS)


def test_the_largest_decision_of_ordinary_text_fits_its_size_limit() -> None:
    largest = Decision.model_validate(GOOD | {field: "x" * limit for field, limit in LIMITS.items()})
    assert len(largest.model_dump_json()) < MAX_DECISION_BYTES


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("v", "1"),
        ("verdict", "yes"),
        ("verdict", "Approve"),
        ("verdict", ""),
        ("approver", ""),
        ("action_digest", "sha256:" + "0" * 63),
        ("action_digest", "sha256:" + "A" * 64),
        ("action_digest", "md5:" + "0" * 64),
        ("display_digest", "sha256:" + "0" * 64 + "\n"),
        ("issued_at", "yesterday"),
        ("expires_at", "2026-11-20T10:00:00"),
        ("arguments", {"cents": 1}),
        ("note", None),
    ],
)
def test_a_decision_of_another_shape_is_refused_naming_the_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        Decision.model_validate(GOOD | {field: value})


@pytest.mark.parametrize("nonce", ["0123456789abcdef\0", "0123456789 abcdef", "0123456789abcdeß", "0123456789abcdef\n"])
def test_a_nonce_that_a_database_could_stumble_over_is_no_decision(nonce: str) -> None:
    with pytest.raises(ValidationError, match="nonce"):
        Decision.model_validate(GOOD | {"nonce": nonce})


def test_approvals_and_calls_without_an_answer_have_verdicts_of_their_own_and_escalations_the_others() -> None:
    assert APPROVAL_VERDICTS == (Verdict.APPROVE, Verdict.REJECT, Verdict.RETURN)
    assert OUTCOME_VERDICTS == (Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN, Verdict.ABANDON)
    others = set(Verdict) - set(APPROVAL_VERDICTS) - {Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN}
    assert others == {Verdict.RETRY, Verdict.SUPPLY, Verdict.SKIP, Verdict.TAKE_OVER, Verdict.EXTEND, Verdict.ABANDON}
