"""Make a decision on a request, and send it."""

import asyncio
import secrets
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from activities.reads import RequestQuery, ShownRequest
from cli.exits import NotReachable, Refused, WrongInput
from cli.keys import SigningKey, key_in, say_unsigned
from cli.option_problems import option_problem
from cli.printing import local_time
from cli.server import NO_WORKER, Server
from contracts.canonical import digest, parse_json
from contracts.decisions import Decision, Receipt, RequestKind, Verdict
from contracts.model import Model
from contracts.roster import canonical_name

UNLIMITED_FOR: Final = timedelta(days=7)
"""How long a decision on a request without a deadline may be used."""
NONCE_BYTES: Final = 24
ANSWERED_WITHIN: Final = timedelta(seconds=60)


class Wish(Model):
    """What an approver wants to say."""

    verdict: Verdict
    approver: str
    note: str = ""
    value: str = ""
    valid_for: timedelta | None = None
    """None: as long as the request is open, since a quorum may take hours."""


async def find_request(server: Server, request_id: str, reader: str) -> ShownRequest:
    """The request, with what people are shown. Raises Refused when the content is not what its digest names.

    `reader`: who looks; it is recorded.
    """
    request = await server.read("show_request", RequestQuery(request_id=request_id, reader=reader), ShownRequest)
    if digest(request.shown) != request.entry.display_digest:
        raise Refused(
            f"what is stored for {request_id} is not what its digest names; do not decide it, tell whoever "
            "runs this deployment"
        )
    shown = str(request.shown.get("action", ""))
    if request.entry.kind is not RequestKind.ESCALATION and digest(shown.encode()) != request.entry.action_digest:
        raise Refused(
            f"what is shown of {request_id} is not the action that it is about; do not decide it, tell whoever "
            "runs this deployment"
        )
    return request


def decision_on(request: ShownRequest, wish: Wish) -> Decision:
    """What the approver says. Raises Refused when the request cannot take it, WrongInput when it has no form."""
    entry, now = request.entry, datetime.now(UTC)
    if entry.closed_at is not None:
        by = f" by {entry.by}" if entry.by else ""
        raise Refused(f"{entry.request_id} was {entry.outcome}{by} at {local_time(entry.closed_at)}")
    if wish.verdict not in entry.options:
        options = ", ".join(option.value for option in entry.options)
        raise Refused(f"{wish.verdict.value!r} is no answer to {entry.request_id}; answer one of: {options}")
    if entry.deadline is not None and entry.deadline <= now:
        raise Refused(f"the deadline of {entry.request_id} passed at {local_time(entry.deadline)}; nothing was decided")
    latest = entry.deadline or now + UNLIMITED_FOR
    try:
        return Decision(
            deployment=request.deployment.id,
            namespace=request.deployment.namespace,
            workflow_id=entry.workflow_id,
            first_run_id=entry.first_run_id,
            approval_id=entry.request_id,
            action_digest=entry.action_digest,
            verdict=wish.verdict,
            approver=wish.approver,
            issued_at=now,
            expires_at=latest if wish.valid_for is None else min(latest, now + wish.valid_for),
            display_digest=entry.display_digest,
            note=wish.note,
            value=wish.value,
        )
    except ValidationError as error:
        raise option_problem(error, {"approver": "--as"}) from error


def signed(decision: Decision, key: SigningKey) -> Decision:
    """The decision with the approver's signature, and a nonce that makes it count once."""
    from contracts.signing import SignedFor

    statement = decision.model_copy(update={"key_id": key.key_id, "nonce": secrets.token_urlsafe(NONCE_BYTES)})
    return statement.model_copy(update={"signature": key.sign(SignedFor.DECISION, statement)})


def decide(request: ShownRequest, wish: Wish) -> Decision:
    """The decision to send, signed; in development, where there is no key, unsigned, and said loudly.

    Raises what `decision_on` raises, and Refused when production has no key to sign with.
    """
    decision = decision_on(request, wish)
    key = key_in(request.deployment, wish.approver, "decisions")
    if key is None:
        say_unsigned("this decision")
        return decision
    return signed(decision, key)


def doubts(request: ShownRequest, wish: Wish, decision: Decision) -> Iterator[str]:
    """What whoever signs now and sends later should know: nobody answers them before it is sent.

    A note and no refusal: a name may be an alias that only the roster knows, and people come back or are handed it.
    """
    if doubt := _doubt_about(request, wish.approver):
        yield f"note: {doubt}; as things stand the run would not count this decision"
    if wish.valid_for is not None and decision.expires_at < decision.issued_at + wish.valid_for:
        until = f"the deadline of {decision.approval_id}" if request.entry.deadline else f"{UNLIMITED_FOR.days} days"
        yield f"note: --valid-for was cut to {until}: it may be used until {local_time(decision.expires_at)}"


def _doubt_about(request: ShownRequest, approver: str) -> str:
    """Why this person may not decide at this moment, as far as can be told here; else empty."""
    name = canonical_name(approver)
    if request.problem:
        return request.problem
    if request.anybody:
        return f"{approver!r} asked for it" * (name == canonical_name(request.entry.requester))
    candidate = next((each for each in request.candidates if each.subject == name), None)
    if candidate is None:
        people = ", ".join(each.subject for each in request.candidates)
        return f"{approver!r} is not among those who may decide {request.entry.request_id} ({people or 'nobody'})"
    if candidate.absent_until is not None:
        return f"{approver!r} is away until {local_time(candidate.absent_until)}"
    signed_already = (candidate.name or candidate.subject) in request.approved_by
    return f"{approver!r} has approved {request.entry.request_id} already" * signed_already


async def send(server: Server, decision: Decision) -> Receipt:
    """Send it as an update, and wait for what came of it. Raises Refused with the run's reason."""
    from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
    from temporalio.service import RPCError, RPCStatusCode

    handle = server.handle(decision.workflow_id, decision.first_run_id)
    try:
        async with asyncio.timeout(ANSWERED_WITHIN.total_seconds()):
            receipt: Receipt = await handle.execute_update("decide", decision, result_type=Receipt)
    except WorkflowUpdateFailedError as error:
        raise Refused(getattr(error.cause, "message", str(error.cause))) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError from None  # somebody pressed Ctrl-C
        raise NotReachable(
            f"the run did not answer in {ANSWERED_WITHIN.seconds} s, the decision may yet count; {NO_WORKER}"
        ) from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Refused(f"run {decision.workflow_id} has ended; nothing waits for this decision") from error
        raise
    return receipt


def signal_command(decision: Decision, address: str) -> str:
    """The stock command line that sends the decision as a signal."""
    named = {
        "--address": address,
        "--namespace": decision.namespace,
        "--workflow-id": decision.workflow_id,
        "--name": "decide",
        "--input": written(decision),
    }
    return "temporal workflow signal " + " ".join(f"{name} {shlex.quote(value)}" for name, value in named.items())


def written(decision: Decision) -> str:
    """The decision as one line of JSON; an unsigned one leaves key_id, nonce and signature out."""
    return decision.model_dump_json(exclude_none=True, ensure_ascii=True)


def read_value(text: str) -> str:
    """The value of `supply`. Raises WrongInput unless it is JSON."""
    try:
        parse_json(text)
    except (ValueError, RecursionError) as error:
        raise WrongInput(f"--value is not JSON ({error}); write for example --value '{{\"cents\": 4000}}'") from error
    return text
