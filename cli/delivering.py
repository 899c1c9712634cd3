"""Tell a run of a paper that was stored: what it is, where it stands, and its digest; never what is in it."""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from cli.automations import load_catalog
from cli.exits import NotReachable, Refused, WrongInput
from cli.option_problems import option_problem
from cli.outside import as_argument
from cli.server import NO_WORKER, Server
from contracts.deliveries import Delivery, DeliveryReceipt
from workflows.catalog import UnknownAutomation
from workflows.deliveries import TakesDeliveries

ANSWERED_WITHIN: Final = timedelta(seconds=60)
_OPTIONS: Final = {"kind": "KIND", "by": "--as"}


def make_delivery(kind: str, reference: str, file: str, digest: str, by: str) -> Delivery:
    """What is to be told. Raises WrongInput."""
    if bool(file) == bool(digest):
        raise WrongInput("--file PAPER or --digest DIGEST says which content was stored; give one of them")
    try:
        return Delivery(kind=kind, reference=reference, digest=digest or digest_of(file), by=by)
    except ValidationError as error:
        raise option_problem(error, _OPTIONS) from error


def digest_of(file: str) -> str:
    """`sha256:<hex>` of a file. Raises WrongInput."""
    try:
        with Path(file).open("rb") as opened:
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    except OSError as error:
        raise WrongInput(
            f"--file {file!r} cannot be read: {error.strerror}; name the paper as it was stored"
        ) from error


async def deliver(server: Server, run: str, delivery: Delivery) -> DeliveryReceipt:
    """Tell the run, and wait for what becomes of it. Raises Refused with the run's reason, NotReachable."""
    view = await server.view(run)
    if view.final:
        raise Refused(
            f"{run} has ended ({view.state}), and takes no papers; see `interlock runs show {as_argument(run)}`"
        )
    if not _takes_papers(view.automation):
        raise Refused(f"{run} takes no papers; runs of {view.automation!r} are not handed any")
    return await _send(server, run, view.first_run_id, delivery)


def _takes_papers(automation: str) -> bool:
    """As far as this command line knows it; the run itself knows best."""
    try:
        return issubclass(load_catalog().find(automation).workflow, TakesDeliveries)
    except UnknownAutomation:
        return True


async def _send(server: Server, run: str, first_run_id: str, delivery: Delivery) -> DeliveryReceipt:
    from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
    from temporalio.service import RPCError, RPCStatusCode

    handle = server.handle(run, first_run_id)
    try:
        async with asyncio.timeout(ANSWERED_WITHIN.total_seconds()):
            receipt: DeliveryReceipt = await handle.execute_update("deliver", delivery, result_type=DeliveryReceipt)
    except WorkflowUpdateFailedError as error:
        raise Refused(getattr(error.cause, "message", str(error.cause))) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError from None  # somebody pressed Ctrl-C
        raise NotReachable(
            f"{run} did not answer in {ANSWERED_WITHIN.seconds} s, and may take the paper yet; to deliver it once more "
            f"does no harm; {NO_WORKER}"
        ) from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Refused(f"{run} has ended meanwhile; nobody looks at the paper") from error
        raise
    return receipt
