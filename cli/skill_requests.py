"""Requests to people by way of skills: what waits for the caller, and statements that somebody has signed elsewhere."""

from dataclasses import dataclass

from pydantic import Field, JsonValue, ValidationError

from activities.inbox import InboxEntry
from activities.reads import InboxPage, InboxQuery
from cli.deciding import send
from cli.exits import Refused, WrongInput
from cli.outside import as_argument
from cli.reading import roles
from cli.server import Server
from cli.skill_callers import Allowed
from cli.skill_runs import reading
from contracts.canonical import canonical_json, parse_json
from contracts.decisions import MAX_DECISION_BYTES, Decision
from contracts.model import Model
from contracts.skills import ApprovalAnswer, PendingApprovals, Question

REQUEST = r"^[A-Za-z0-9._/~-]+#[1-9][0-9]{0,8}$"
_AS_PRINTED = "hand it over exactly as it was printed"


class Pending(Model):
    """Asks for open requests."""

    automation: str = Field(default="", max_length=100, description="Only requests of this automation.")


class Approving(Model):
    """Hands over a statement that was signed with a personal key; or asks how one is made."""

    request: str = Field(max_length=450, pattern=REQUEST, description="The request, such as refund/A-17#1.")
    statement: dict[str, JsonValue] | str | None = Field(
        default=None,
        description="The signed statement, exactly as `interlock approvals sign ID --verdict approve --print` "
        "prints it on the machine of whoever decides. Without it, the answer is the command they run.",
    )


@dataclass(frozen=True)
class SkilledRequests:
    """What callers do with requests. Nothing here signs anything, and nothing unsigned goes on from here."""

    server: Server

    async def pending(self, wanted: Pending, allowed: Allowed) -> PendingApprovals:
        """What the caller may decide now. Raises CommandFailed."""
        query = InboxQuery(approver=allowed.name, automation=wanted.automation)
        page = await self.server.read("waiting_requests", query, InboxPage)
        questions = tuple(_question(entry) for entry in page.requests)
        return PendingApprovals(requests=questions, others=page.others, problem=page.problem)

    async def approve(self, wanted: Approving, allowed: Allowed) -> ApprovalAnswer:
        """Send a signed statement the way the command line does. Raises CommandFailed when it does not count."""
        if wanted.statement is None:
            return _way_to_a_statement(wanted.request, allowed)
        receipt = await send(self.server, _signed_statement(wanted))
        return ApprovalAnswer(decided=True, outcome=receipt.outcome, message=receipt.message)


def _way_to_a_statement(request: str, allowed: Allowed) -> ApprovalAnswer:
    return ApprovalAnswer(
        decided=False,
        message="nothing was decided: whoever may decide reads it and signs, on their own machine, with their own key",
        command=f"interlock approvals approve {as_argument(request)} --as {as_argument(allowed.name)}",
    )


def _signed_statement(wanted: Approving) -> Decision:
    """A decision with everything that a signature needs, for the request that is named. Raises CommandFailed."""
    decision = _decision(wanted.statement)
    if decision.approval_id != wanted.request or not wanted.request.startswith(f"{decision.workflow_id}#"):
        raise Refused(
            f"the statement is about {decision.approval_id!r}, not about {wanted.request!r}; nothing was sent"
        )
    if not (decision.signature and decision.key_id and decision.nonce):
        raise Refused(
            "the statement is not signed, and here none counts unsigned; whoever decides makes one with "
            f"`interlock approvals sign {as_argument(wanted.request)} --verdict approve --print`, with a key of theirs"
        )
    return decision


def _decision(statement: JsonValue) -> Decision:
    try:
        given = statement.encode() if isinstance(statement, str) else canonical_json(statement)
        if len(given) > MAX_DECISION_BYTES:
            raise WrongInput(f"statement: it has {len(given)} bytes, a decision has at most {MAX_DECISION_BYTES}")
        return Decision.model_validate_json(canonical_json(parse_json(given)), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, ("statement", *first["loc"])))
        raise WrongInput(f"{field}: {first['msg']}; hand it over exactly as it was printed") from error
    except ValueError as error:
        raise WrongInput(
            f"statement: it is no JSON object ({error}); hand it over exactly as it was printed"
        ) from error


def _question(entry: InboxEntry) -> Question:
    return Question(
        request=entry.request_id,
        asks=entry.title,
        who=roles(entry),
        until=entry.deadline,
        answers=tuple(option.value for option in entry.options),
        command=reading(entry.request_id),
    )
