"""Tickets are decided by real processes: from the command line, and though the worker is killed amid the refund."""

import json

import pytest

from contracts.runs import Ending
from tests.end_to_end.processes import INTERLOCK, output_of, until, with_our_packages
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import Setup
from tests.workflows.support_world import Books, books_in
from workers.embedded.plan import WORKER
from workers.embedded.temporal_server import NAMESPACE
from workers.settings import REPOSITORY

pytestmark = pytest.mark.many

REQUEST = REPOSITORY / "demo" / "requests" / "support_escalation.json"
CREDITED = Books(logged="credited", note_ids="[2]", told="credited", mails=1, credited_cents=2000, refunded_cents=2000)


async def test_a_promise_is_kept_from_the_command_line_and_asking_again_tells_how_it_ended(setup: Setup) -> None:
    asking = (*INTERLOCK, "runs", "start", "support_escalation", "--from", str(REQUEST), "--as", "rita")
    address = ("--address", setup.planned.temporal.address)
    environment = with_our_packages(setup.environ)
    said = json.loads(await output_of(*asking, "--json", *address, environment=environment))
    handle = (await setup.client()).get_workflow_handle(said["run"], result_type=Ending)
    ending = await Run(handle, NAMESPACE, setup.folder.deployment()).ending()
    again = await output_of(*asking, "--wait", *address, environment=environment)

    assert ending == "credited" and "ended: credited" in again
    assert books_in(setup.folder.demo_data, "A-26") == CREDITED


async def test_a_credit_inside_a_ticket_happens_once_though_the_worker_is_killed_when_it_was_just_made(
    setup: Setup,
) -> None:
    order_id = next(setup.orders)
    question = "Part of the parcel was soaked. May we have our money back for that?"
    asked = {"ticket": f"T-{order_id}", "customer_id": "C-42", "order_id": order_id, "question": question}
    with setup.answers_held() as release:
        ticket = await setup.start("support_escalation", **asked)
        await until(lambda: setup.credits_standing(order_id) == 1, "the credit is made and its answer withheld")
        [known] = (await ticket.until(lambda view: view.child_runs)).child_runs
        await setup.kill(WORKER)
        release()
    await setup.start_programs(WORKER)
    handle = (await setup.client()).get_workflow_handle(known.workflow_id, result_type=Ending)
    refund = Run(handle, ticket.namespace, setup.folder.deployment())

    assert (await refund.ending(), await ticket.ending()) == ("refunded", "credited")
    assert await setup.credits_counted(order_id) == 1
    assert setup.sends(refund, "issue_credit") == [("done", 2)]
