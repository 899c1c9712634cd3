"""Statements that come by way of a skill: what is not signed, or not about the request, is sent to no run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.exits import CommandFailed
from cli.inputs import checked
from cli.skill_callers import Allowed
from cli.skill_requests import Approving, SkilledRequests
from contracts.decisions import MAX_DECISION_BYTES, Decision, Verdict
from contracts.model import Model
from tests.authority import Signer

NOW = datetime.now(UTC)
DIGEST = "sha256:" + "a" * 64
FIONA = Signer("fiona", ("finance_manager",))
UNSIGNED = Decision(
    deployment="here",
    namespace="default",
    workflow_id="refund/A-17",
    first_run_id="first",
    approval_id="refund/A-17#1",
    action_digest=DIGEST,
    verdict=Verdict.APPROVE,
    approver="fiona",
    issued_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    display_digest=DIGEST,
)
MANAGER = Allowed(name="fiona", decides=True, somebody=True)


class Reached(Exception):
    """A statement was on its way to a run."""


class NoServer:
    """Nothing may be asked of it."""

    def handle(self, run: str, first_run_id: str) -> Any:
        """Whoever asks for a run is about to send something."""
        raise Reached(run)


async def approve(**arguments: Any) -> Model:
    """The tool `approve`, in a deployment whose runs would take anything."""
    wanted = checked("approve", Approving, arguments)
    return await SkilledRequests(NoServer()).approve(wanted, MANAGER)  # type: ignore[arg-type]


def plain(decision: Decision) -> Any:
    return decision.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("form", [lambda statement: statement, json.dumps])
async def test_a_signed_statement_about_the_request_is_sent_to_its_run(form: Any) -> None:
    with pytest.raises(Reached, match="refund/A-17"):
        await approve(request="refund/A-17#1", statement=form(plain(FIONA.signed(UNSIGNED))))


@pytest.mark.parametrize("left_out", [("signature",), ("key_id",), ("nonce",), ("signature", "key_id", "nonce")])
async def test_an_unsigned_statement_goes_nowhere_in_development_either(left_out: tuple[str, ...]) -> None:
    statement = {name: value for name, value in plain(FIONA.signed(UNSIGNED)).items() if name not in left_out}
    with pytest.raises(CommandFailed, match="the statement is not signed, and here none counts unsigned"):
        await approve(request="refund/A-17#1", statement=statement)


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("refund/A-18#1", {}),
        ("refund/A-17#2", {}),
        ("refund/A-17#1", {"approval_id": "refund/A-18#1", "workflow_id": "refund/A-18"}),
        ("refund/A-17#1", {"workflow_id": "refund/A-18"}),
    ],
)
async def test_a_statement_about_another_request_or_run_goes_nowhere(named: str, changes: dict[str, Any]) -> None:
    statement = FIONA.signed(UNSIGNED.model_copy(update=changes))
    with pytest.raises(CommandFailed, match="nothing was sent"):
        await approve(request=named, statement=plain(statement))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "approve: request is missing; give it"),
        ({"request": "refund/A-17"}, "approve: request String should match pattern"),
        ({"request": "refund/A-17#1; rm -rf /#1"}, "approve: request String should match pattern"),
        ({"request": "refund/A-17#1", "verdict": "approve"}, "approve: verdict is no field of 'approve'"),
        ({"request": "refund/A-17#1", "statement": True}, "approve: statement"),
        ({"request": "refund/A-17#1", "statement": []}, "approve: statement"),
        ({"request": "refund/A-17#1", "statement": "approve"}, "statement: it is no JSON object"),
        ({"request": "refund/A-17#1", "statement": "[]"}, "statement: "),
        ({"request": "refund/A-17#1", "statement": '{"v": 1, "v": 1}'}, "the field 'v' is given twice"),
        ({"request": "refund/A-17#1", "statement": {"verdict": "approve"}}, "statement.deployment: Field required"),
        ({"request": "refund/A-17#1", "statement": {**plain(UNSIGNED), "more": 1}}, "statement.more: Extra inputs"),
        ({"request": "refund/A-17#1", "statement": " " * MAX_DECISION_BYTES + "{}"}, "a decision has at most 8192"),
    ],
)
async def test_what_is_no_statement_is_refused_naming_the_field(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        await approve(**arguments)

    assert problem in str(refused.value)


async def test_without_a_statement_the_answer_is_the_command_that_a_person_runs() -> None:
    answer = await approve(request="refund/A-17~2#1")

    told = answer.model_dump()
    assert (told["decided"], told["outcome"]) == (False, "")
    assert told["message"].startswith("nothing was decided: whoever may decide reads it and signs")
    assert told["command"] == "interlock approvals approve 'refund/A-17~2#1' --as fiona"
