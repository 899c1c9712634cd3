"""Start a run for a business case, or attach to the one that was started for it before."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import JsonValue, ValidationError

from activities.reads import Nothing
from cli.exits import Refused, WrongInput
from cli.keys import SigningKey, key_in
from cli.option_problems import option_problem
from cli.outside import as_argument
from cli.server import Server
from contracts.canonical import canonical_json, digest
from contracts.deployment import Deployment
from contracts.escaping import markdown
from contracts.model import Model
from contracts.runs import TASK_QUEUE, WORKFLOW_TASK_TIMEOUT, Case, CaseLookup, Ending, KnownCase, StartStatement
from workflows.catalog import CatalogEntry, run_id

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

Fields = dict[str, JsonValue]
NONCE_BYTES: Final = 24
KeyFor = Callable[[Deployment, str], SigningKey | None]
"""The key that signs a start in the name of a requester; None: it stays unsigned. Raises Refused."""


def requesters_own(deployment: Deployment, requester: str) -> SigningKey | None:
    """Their personal key on this machine; in development None where there is none. Raises Refused."""
    return key_in(deployment, requester, "starts")


@dataclass(frozen=True)
class Order:
    """What somebody wants started. Checked; nothing has been started yet."""

    entry: CatalogEntry
    request: Model
    start: StartStatement

    @property
    def fields(self) -> Fields:
        """The input as JSON."""
        fields: Fields = self.request.model_dump(mode="json")
        return fields


class Started(Model):
    """A run that was started now, or before."""

    automation: str
    run: str
    first_run_id: str
    new: bool
    ending: str = ""
    """Set when the run was started before and has ended."""


def make_order(entry: CatalogEntry, request: Model, requester: str, again: str) -> Order:
    """The order, with its start statement. Raises WrongInput."""
    key = entry.business_key(request)
    if not key:
        fields = ", ".join(getattr(entry.request, "business_key", ()))
        raise WrongInput(f"the input does not say which business case it is; fill one of {fields}")
    try:
        start = StartStatement(
            requester=requester,
            automation=entry.name,
            business_key=key,
            input_digest=digest(request.model_dump(mode="json")),
            issued_at=datetime.now(UTC),
            again=again,
        )
    except ValidationError as error:
        raise option_problem(error, {"requester": "--as", "business_key": "the business case"}) from error
    return Order(entry, request, start)


async def start(server: Server, order: Order, key_for: KeyFor = requesters_own) -> Started:
    """Start the run, or attach. Raises Refused when the case was started with other input, or too much is under way."""
    lookup = CaseLookup(automation=order.entry.name, business_key=order.start.business_key, request=order.fields)
    known = await server.read("look_up_case", lookup, KnownCase)
    if not known.exists:
        _there_is_room(known)
        return await _start_as(server, order, run_id(order.entry.name, order.start.business_key), key_for)
    under_way = await _is_running(server, known.workflow_id)
    if under_way:  # whatever ending stands in the store: somebody may have reset the run since
        known = known.model_copy(update={"ending": ""})
    if not order.start.again:
        return _attached(order, known, under_way)
    if under_way:
        raise Refused(
            f"{known.workflow_id} is under way, so it cannot be started again; "
            f"follow it with `{_command('watch', known.workflow_id)}`, or cancel it first"
        )
    _there_is_room(known)
    anew = run_id(order.entry.name, order.start.business_key, max(known.starts, 1))
    return await _start_as(server, order, anew, key_for)


def _there_is_room(known: KnownCase) -> None:
    """Said early, before Temporal has a run to refuse; what counts is what the run is told when it registers."""
    if known.no_room:
        raise Refused(known.no_room)


def signed_start(
    start: StartStatement, deployment: Deployment, run: str, key_for: KeyFor = requesters_own
) -> StartStatement:
    """The statement for the one run it may start, signed by the requester, or by a service in their name.

    Unsigned in development without a key. Raises Refused when production has no key to sign with.
    """
    bound = start.model_copy(update={"deployment": deployment.id, "workflow_id": run})
    key = key_for(deployment, start.requester)
    if key is None:
        return bound
    from contracts.signing import SignedFor

    named = {"signer": key.subject, "key_id": key.key_id, "nonce": secrets.token_urlsafe(NONCE_BYTES)}
    statement = bound.model_copy(update=named)
    return statement.model_copy(update={"signature": key.sign(SignedFor.START, statement)})


async def _start_as(server: Server, order: Order, run: str, key_for: KeyFor) -> Started:
    from temporalio.common import WorkflowIDConflictPolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError

    deployment = await server.read("deployment_facts", Nothing(), Deployment)
    order = replace(order, start=signed_start(order.start, deployment, run, key_for))
    case = order.entry.first_case(order.request, order.start)
    try:
        handle = await server.client.start_workflow(
            order.entry.name,
            case,
            id=run,
            task_queue=TASK_QUEUE,
            task_timeout=WORKFLOW_TASK_TIMEOUT,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=_summary(order, case),
            static_details=_details(order, run),
        )
    except WorkflowAlreadyStartedError:
        return await _attach_to_running(server, order, run)
    return Started(automation=order.entry.name, run=run, first_run_id=handle.first_execution_run_id or "", new=True)


def _attached(order: Order, known: KnownCase, under_way: bool) -> Started:
    if not known.same_input and known.erased_at is not None:
        when = f"{known.erased_at:%Y-%m-%d %H:%M} UTC"
        what = f"{known.workflow_id} was started before with other input, which was erased at {when}"
        raise Refused(f"{what}; start anew with --again REASON")
    if not known.same_input:
        raise _other_input(known.workflow_id, known.differing_fields, under_way)
    return Started(
        automation=order.entry.name,
        run=known.workflow_id,
        first_run_id=known.first_run_id,
        new=False,
        ending=known.ending,
    )


async def _attach_to_running(server: Server, order: Order, run: str) -> Started:
    """Started a moment ago, or before any worker ran: the store does not know it, its first event does."""
    handle = server.handle(run)
    case = await _case_of(server, order, handle)
    standing: Fields = case.model_dump(mode="json")["request"]
    if order.start.again and case.start.again != order.start.again:
        raise Refused(f"{run} is under way; follow it with `{_command('watch', run)}`")
    differing = tuple(
        sorted(
            name
            for name in standing.keys() | order.fields.keys()
            if canonical_json(standing.get(name)) != canonical_json(order.fields.get(name))
        )
    )
    if differing:
        raise _other_input(run, differing, under_way=True)
    first_run_id = (await server.describe(run)).workflow_execution_info.first_run_id
    return Started(automation=order.entry.name, run=run, first_run_id=first_run_id, new=False)


async def _case_of(server: Server, order: Order, handle: "WorkflowHandle[Any, Ending]") -> Case:
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        [case] = await server.client.data_converter.decode(payloads, [order.entry.case])
        assert isinstance(case, Case)
        return case
    raise Refused(f"run {handle.id!r} has no history; try again")


async def _is_running(server: Server, run: str) -> bool:
    """False as well when Temporal has forgotten the run, or somebody terminated it."""
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    try:
        described = await server.describe(run)
    except Refused:
        return False
    status = described.workflow_execution_info.status
    return status in (
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
    )


def _other_input(run: str, fields: tuple[str, ...], under_way: bool) -> Refused:
    differ, look = f"with other input: {', '.join(fields)} differ", f"look at it with `{_command('show', run)}`"
    if under_way:
        cancel = f"`{_command('cancel', run)} --reason WHY`"
        return Refused(f"{run} is under way {differ}; {look}, or cancel it with {cancel} before you start it anew")
    return Refused(f"{run} was started before {differ}; {look}, or start anew with --again REASON")


def _command(verb: str, run: str) -> str:
    return f"interlock runs {verb} {as_argument(run)}"


def _summary(order: Order, case: Case) -> str:
    return markdown(order.entry.workflow(case).summary(), 180)


def _details(order: Order, run: str) -> str:
    again = [f"- started anew, because: {markdown(order.start.again)}"] if order.start.again else []
    lines = [
        markdown(order.entry.description),
        "",
        f"- requester: {markdown(order.start.requester)}",
        f"- business case: {markdown(order.start.business_key)}",
        *again,
        f"- follow it: `{_command('watch', run)}`",
    ]
    return "\n".join(lines)
