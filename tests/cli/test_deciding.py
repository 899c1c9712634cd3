"""Which decisions are made at all: plain calls, no server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.inbox import InboxEntry
from activities.reads import ShownRequest
from cli.deciding import Wish, decision_on, read_value, signal_command, written
from cli.exits import Refused, WrongInput
from contracts.decisions import APPROVAL_VERDICTS, Decision, RequestKind, Verdict
from contracts.deployment import Deployment, Mode
from contracts.policy import Obligation

NOW = datetime.now(UTC)
APPROVAL = Wish(verdict=Verdict.APPROVE, approver="dana")
DIGEST = "sha256:" + "a" * 64


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


def test_development_mode_is_said_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    decision_on(a_request(), APPROVAL)

    assert capsys.readouterr() == ("", "development mode: this decision is not signed\n")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (a_request(Mode.PRODUCTION), "runs in production, where only signed decisions count"),
        (a_request(deadline=NOW - timedelta(hours=1)), "the deadline of refund/A-17#1 passed"),
        (a_request(closed_at=NOW, outcome="rejected", by="dario"), "refund/A-17#1 was rejected by dario"),
        (a_request(options=(Verdict.RETRY,)), "'approve' is no answer to refund/A-17#1; answer one of: retry"),
    ],
)
def test_a_decision_that_could_not_count_is_not_made(request_: ShownRequest, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        decision_on(request_, APPROVAL)


def test_a_note_that_is_too_long_names_its_option() -> None:
    with pytest.raises(WrongInput, match="--note: "):
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
