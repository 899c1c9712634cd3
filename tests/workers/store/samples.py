"""What the store's tests put into it."""

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from activities.conversations import RunKey
from activities.inbox import InboxEntry, StartRecord
from activities.ledger import Claim
from activities.notices import Notice, NoticeEvent
from contracts.canonical import digest
from contracts.claude import StopReason, TurnOutcome
from contracts.decisions import RequestKind, Verdict
from contracts.policy import Obligation
from contracts.runs import StartStatement
from contracts.tools import CallStatus, EffectClass, Purpose, ResultRef, ToolOutcome

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
RUN = RunKey(workflow_id="refund/A-17", first_run_id="run-1")
DIGEST = digest(b"something")


def at(minutes: int) -> datetime:
    """Minutes past nine."""
    return NINE + timedelta(minutes=minutes)


def claim(key: str = "key-1", amount: JsonValue = "40.00") -> Claim:
    """A credit about to be issued."""
    return Claim(
        key=key,
        workflow_id=RUN.workflow_id,
        first_run_id=RUN.first_run_id,
        step="issue_credit",
        occurrence="1",
        server="payments",
        tool="issue_credit",
        pin=DIGEST,
        effect_class=EffectClass.KEYED,
        purpose=Purpose.FORWARD,
        action_digest=digest({"amount": amount}),
        arguments={"amount": amount},
    )


def issued(content: bytes = b'{"credit":"C-1"}') -> ToolOutcome:
    """The credit was issued."""
    result = ResultRef(digest=digest(content), size_bytes=len(content))
    facts: dict[str, str | int | bool | None] = {"credit": "C-1", "cents": 4000, "new": True, "note": None}
    return ToolOutcome(status=CallStatus.DONE, action_digest=DIGEST, result=result, facts=facts)


def lost() -> ToolOutcome:
    """Nobody knows whether the credit was issued."""
    return ToolOutcome(status=CallStatus.UNKNOWN, message="timed out")


def answered(model: str = "a-model") -> TurnOutcome:
    """Claude came to an end."""
    return TurnOutcome(stop_reason=StopReason.ANSWERED, model=model)


def started(
    run: RunKey = RUN, again: str = "", request: dict[str, JsonValue] | None = None, business_key: str = "A-17"
) -> StartRecord:
    """Ada asked for a refund."""
    request = {"order": "A-17", "amount": "40.00"} if request is None else request
    start = StartStatement(
        requester="ada",
        automation="refund",
        business_key=business_key,
        input_digest=digest(request),
        issued_at=NINE,
        again=again,
    )
    return StartRecord(run=run, start=start, request=request)


def asked(
    number: int, opened_at: datetime = NINE, deadline: datetime | None = None, first_run_id: str = "run-1"
) -> InboxEntry:
    """A request to approve the credit."""
    return InboxEntry(
        request_id=f"refund/A-17#{number}",
        kind=RequestKind.APPROVAL,
        automation="refund",
        workflow_id=RUN.workflow_id,
        first_run_id=first_run_id,
        state="awaiting_approval",
        title="credit 40.00 EUR",
        action_digest=DIGEST,
        display_digest=DIGEST,
        obligations=(Obligation(role="lead", quorum=2, within=timedelta(hours=1), rule_id="large"),),
        options=(Verdict.APPROVE, Verdict.REJECT),
        requester="ada",
        opened_at=opened_at,
        deadline=deadline,
    )


def notice(number: int = 1, recipient: str = "fiona", event: NoticeEvent = NoticeEvent.REQUEST) -> Notice:
    """Somebody is told of the request."""
    return Notice(
        id=f"n-{number}",
        event=event,
        recipient=recipient,
        address=f"{recipient}@example.com" if recipient else "",
        subject="approval wanted",
        body="read it",
        request_id="refund/A-17#1",
        workflow_id=RUN.workflow_id,
        first_run_id=RUN.first_run_id,
    )
