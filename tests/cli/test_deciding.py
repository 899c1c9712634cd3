"""Which decisions are made at all, and what is signed: plain calls, no server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.candidates import Candidate
from activities.inbox import InboxEntry
from activities.reads import ShownRequest
from cli.deciding import Wish, decide, decision_on, doubts, read_value, signal_command, signed, written
from cli.exits import Refused, WrongInput
from cli.keys import Keeping, SigningKey, make_key
from contracts.decisions import APPROVAL_VERDICTS, Decision, RequestKind, Verdict
from contracts.deployment import Deployment, Mode
from contracts.policy import Obligation
from contracts.signing import SignedFor, is_signed_by
from tests.cli.enrolment import Machine

NOW = datetime.now(UTC)
APPROVAL = Wish(verdict=Verdict.APPROVE, approver="dana")
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The approver's machine, without any key."""
    return Machine.ready(tmp_path, capsys, monkeypatch)


def a_request(mode: Mode = Mode.DEVELOPMENT, **changes: Any) -> ShownRequest:
    entry = InboxEntry(
        request_id="refund/A-17#1",
        kind=RequestKind.APPROVAL,
        automation="refund",
        workflow_id="refund/A-17",
        first_run_id="first",
        state="awaiting_approval",
        title="Credit?",
        action_digest=DIGEST,
        display_digest=DIGEST,
        obligations=(Obligation(role="finance_manager", within=timedelta(days=2), rule_id="r"),),
        options=APPROVAL_VERDICTS,
        requester="rita",
        opened_at=NOW,
        deadline=NOW + timedelta(days=2),
    )
    deployment = Deployment(id="here", namespace="default", mode=mode)
    return ShownRequest(entry=entry.model_copy(update=changes), shown={}, deployment=deployment)


def test_a_decision_names_everything_the_run_compares() -> None:
    decision = decision_on(a_request(), APPROVAL)

    assert decision.model_dump(include={"deployment", "namespace", "workflow_id", "first_run_id", "approval_id"}) == {
        "deployment": "here",
        "namespace": "default",
        "workflow_id": "refund/A-17",
        "first_run_id": "first",
        "approval_id": "refund/A-17#1",
    }


def test_a_decision_counts_until_the_deadline_because_a_quorum_may_take_hours() -> None:
    request = a_request()

    assert decision_on(request, APPROVAL).expires_at == request.entry.deadline


def test_a_decision_may_be_given_for_a_shorter_time() -> None:
    decision = decision_on(a_request(), APPROVAL.model_copy(update={"valid_for": timedelta(minutes=10)}))

    assert decision.expires_at - decision.issued_at == timedelta(minutes=10)


def test_a_decision_never_outlives_the_deadline() -> None:
    deadline = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=2)

    assert decision_on(a_request(deadline=deadline), APPROVAL).expires_at == deadline


DANA = Candidate(subject="dana", name="Dana", roles=("finance_manager",))


@pytest.mark.parametrize(
    ("people", "doubt"),
    [
        ({"candidates": (DANA,)}, ""),
        ({"anybody": True}, ""),
        ({"candidates": (Candidate(subject="erin"),)}, "'Dana' is not among those who may decide refund/A-17#1 (erin)"),
        ({"candidates": ()}, "'Dana' is not among those who may decide refund/A-17#1 (nobody)"),
        ({"candidates": (DANA.model_copy(update={"absent_until": NOW}),)}, "'Dana' is away until "),
        ({"candidates": (DANA,), "approved_by": ("Dana",)}, "'Dana' has approved refund/A-17#1 already"),
        ({"problem": "no roster is in force"}, "no roster is in force"),
    ],
)
def test_who_signs_a_decision_that_would_not_count_is_told_so(people: dict[str, Any], doubt: str) -> None:
    request = a_request().model_copy(update=people)
    wish = APPROVAL.model_copy(update={"approver": "Dana"})
    told = list(doubts(request, wish, decision_on(request, wish)))

    assert len(told) == bool(doubt)
    for line in told:
        assert line.startswith(f"note: {doubt}")
        assert line.endswith("; as things stand the run would not count this decision")


def test_who_asked_for_it_is_told_that_they_do_not_decide() -> None:
    request = a_request(requester="dana").model_copy(update={"anybody": True})
    [told] = doubts(request, APPROVAL, decision_on(request, APPROVAL))

    assert told.startswith("note: 'dana' asked for it; ")


@pytest.mark.parametrize(
    ("deadline", "said"),
    [(NOW + timedelta(days=2), "cut to the deadline of refund/A-17#1: it may be used until "), (None, "cut to 7 days")],
)
def test_a_time_that_is_cut_is_told(deadline: datetime | None, said: str) -> None:
    request = a_request(deadline=deadline).model_copy(update={"anybody": True})
    longer, shorter = (
        APPROVAL.model_copy(update={"valid_for": timedelta(**time)}) for time in ({"days": 30}, {"minutes": 1})
    )
    [told] = doubts(request, longer, decision_on(request, longer))

    assert told.startswith(f"note: --valid-for was {said}")
    assert list(doubts(request, shorter, decision_on(request, shorter))) == []


def test_development_without_a_key_is_unsigned_and_said_loudly(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = decide(a_request(), APPROVAL)

    assert (decision.key_id, decision.nonce, decision.signature) == (None, None, None)
    assert capsys.readouterr() == ("", "development mode: this decision is not signed\n")


@pytest.mark.parametrize("mode", Mode)
def test_with_a_key_every_decision_is_signed(machine: Machine, capsys: pytest.CaptureFixture[str], mode: Mode) -> None:
    key, _ = make_key("dana", "here", NOW + timedelta(days=1), Keeping.FILE)
    first, second = (decide(a_request(mode), APPROVAL) for _ in range(2))

    for decision in (first, second):
        assert decision.key_id == key.key_id
        assert is_signed_by(key.public, SignedFor.DECISION, decision, decision.signature or "")
    assert first.nonce != second.nonce
    assert len(first.nonce or "") == 32
    assert capsys.readouterr() == ("", "")


def test_production_without_a_key_is_refused_with_the_way_out(machine: Machine) -> None:
    with pytest.raises(Refused, match=r"'dana' has no key on this machine .*`interlock approvers enrol dana`"):
        decide(a_request(Mode.PRODUCTION), APPROVAL)


def test_a_printed_decision_verifies_after_it_was_read_again(machine: Machine) -> None:
    key, _ = make_key("dana", "here", NOW + timedelta(days=1), Keeping.FILE)
    decision = decide(a_request(Mode.PRODUCTION), APPROVAL.model_copy(update={"note": 'grüße 🙂 \u2028 " end'}))
    read = Decision.model_validate_json(written(decision))

    assert is_signed_by(key.public, SignedFor.DECISION, read, read.signature or "")


OTHERWISE: dict[str, Any] = {
    "deployment": "elsewhere",
    "namespace": "other",
    "workflow_id": "refund/A-18",
    "first_run_id": "second",
    "approval_id": "refund/A-17#2",
    "action_digest": "sha256:" + "b" * 64,
    "verdict": Verdict.REJECT,
    "approver": "erin",
    "key_id": "k-" + "0" * 32,
    "nonce": "n" * 32,
    "issued_at": NOW - timedelta(seconds=1),
    "expires_at": NOW + timedelta(days=9),
    "display_digest": "sha256:" + "c" * 64,
    "note": "another",
    "value": "1",
    "v": 2,
}


@pytest.mark.parametrize(("field", "value"), OTHERWISE.items())
def test_a_signature_holds_for_exactly_what_was_signed(field: str, value: object) -> None:
    key = SigningKey("dana", Ed25519PrivateKey.generate())
    decision = signed(decision_on(a_request(), APPROVAL), key)
    other = decision.model_copy(update={field: value})

    assert other != decision
    assert is_signed_by(key.public, SignedFor.DECISION, decision, decision.signature or "")
    assert not is_signed_by(key.public, SignedFor.DECISION, other, decision.signature or "")


def test_every_field_of_a_decision_is_among_those_that_were_changed() -> None:
    assert set(OTHERWISE) == set(Decision.model_fields) - {"signature"}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (a_request(deadline=NOW - timedelta(hours=1)), "the deadline of refund/A-17#1 passed"),
        (a_request(closed_at=NOW, outcome="rejected", by="dario"), "refund/A-17#1 was rejected by dario"),
        (a_request(options=(Verdict.RETRY,)), "'approve' is no answer to refund/A-17#1; answer one of: retry"),
    ],
)
def test_a_decision_that_could_not_count_is_not_made(request_: ShownRequest, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        decision_on(request_, APPROVAL)


def test_a_note_that_is_too_long_names_its_option() -> None:
    with pytest.raises(WrongInput, match=r"^--note has 1001 characters and may have 1000; shorten it$"):
        decision_on(a_request(), Wish(verdict=Verdict.REJECT, approver="dana", note="x" * 1001))


def test_a_value_must_be_json() -> None:
    assert read_value('{"cents": 4000}') == '{"cents": 4000}'
    with pytest.raises(WrongInput, match="--value is not JSON"):
        read_value("4000 cents")


def test_the_signal_command_survives_quotes_in_a_note() -> None:
    wish = Wish(verdict=Verdict.REJECT, approver="dana", note="it's \x1b[2J 'odd'; rm -rf $HOME")
    decision = decision_on(a_request(), wish)
    command = signal_command(decision, "127.0.0.1:7233")

    assert command.isascii()
    assert command.isprintable()
    assert Decision.model_validate_json(written(decision)) == decision
