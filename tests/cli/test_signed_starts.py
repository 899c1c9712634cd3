"""Start statements: bound to one run, signed by whoever asks, and refused in production without a key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Refused
from cli.keys import Keeping, make_key
from cli.starting import signed_start
from contracts.deployment import Deployment, Mode
from contracts.runs import Ancestor, StartStatement
from contracts.signing import SignedFor, is_signed_by
from tests.cli.enrolment import Machine

NOW = datetime.now(UTC)
ASKED = StartStatement(
    requester="rita",
    automation="refund",
    business_key="A-17",
    input_digest="sha256:" + "a" * 64,
    issued_at=NOW,
    again="the customer called",
)


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The requester's machine, without any key."""
    return Machine.ready(tmp_path, capsys, monkeypatch)


def there(mode: Mode) -> Deployment:
    return Deployment(id="acme", namespace="default", mode=mode)


@pytest.mark.parametrize("mode", Mode)
def test_with_a_key_the_statement_is_signed_for_the_one_run_it_may_start(machine: Machine, mode: Mode) -> None:
    key, _ = make_key("rita", "acme", NOW + timedelta(days=1), Keeping.FILE)
    first, second = (signed_start(ASKED, there(mode), "refund/A-17") for _ in range(2))

    for start in (first, second):
        assert (start.deployment, start.workflow_id) == ("acme", "refund/A-17")
        assert (start.signer, start.key_id) == ("rita", key.key_id)
        assert is_signed_by(key.public, SignedFor.START, start, start.signature or "")
        assert not is_signed_by(key.public, SignedFor.DECISION, start, start.signature or "")
    assert first.nonce != second.nonce


def test_development_without_a_key_goes_on_unsigned(machine: Machine) -> None:
    start = signed_start(ASKED, there(Mode.DEVELOPMENT), "refund/A-17")

    assert (start.signer, start.key_id, start.nonce, start.signature) == ("", "", "", None)
    assert (start.deployment, start.workflow_id) == ("acme", "refund/A-17")


def test_production_without_a_key_is_refused_with_the_way_out(machine: Machine) -> None:
    with pytest.raises(Refused, match=r"where starts must be signed, .*`interlock approvers enrol rita`"):
        signed_start(ASKED, there(Mode.PRODUCTION), "refund/A-17")


OTHERWISE: dict[str, Any] = {
    "requester": "mallory",
    "automation": "errand",
    "business_key": "A-18",
    "input_digest": "sha256:" + "b" * 64,
    "issued_at": NOW + timedelta(days=1),
    "again": "",
    "v": 2,
    "deployment": "other",
    "workflow_id": "refund/A-18",
    "on_behalf_of": ("dana",),
    "signer": "mallory",
    "key_id": "k-" + "0" * 32,
    "nonce": "n" * 32,
    "inside": (Ancestor(workflow_id="claim/1", first_run_id="r", automation="claim"),),
}


@pytest.mark.parametrize(("field", "value"), OTHERWISE.items())
def test_a_signature_holds_for_exactly_what_was_signed(machine: Machine, field: str, value: object) -> None:
    key, _ = make_key("rita", "acme", NOW + timedelta(days=1), Keeping.FILE)
    start = signed_start(ASKED, there(Mode.PRODUCTION), "refund/A-17")
    other = start.model_copy(update={field: value})

    assert other != start
    assert not is_signed_by(key.public, SignedFor.START, other, start.signature or "")


def test_every_field_of_a_statement_is_among_those_that_were_changed() -> None:
    assert set(OTHERWISE) == set(StartStatement.model_fields) - {"signature"}
