"""kill -9 of the worker while a claim waits for the refund inside it: both go on, and the credit happens once."""

import dataclasses

import pytest

from contracts.runs import Ending
from tests.end_to_end.processes import until
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import Setup, started_of
from tests.workflows.trip_world import OUTSIDE
from workers.embedded.plan import WORKER
from workflows.catalog import Catalog

pytestmark = pytest.mark.many


async def test_a_claim_and_the_refund_inside_it_outlive_their_worker_and_credit_once(setup: Setup) -> None:
    usual = setup.programs[WORKER]
    with_claims = {**usual.environment, "INTERLOCK_AUTOMATIONS": str(OUTSIDE)}
    worker = dataclasses.replace(usual, environment=with_claims)
    order_id, client, deployment = next(setup.orders), await setup.client(), setup.folder.deployment()
    await setup.kill(WORKER)
    await setup.supervisor.start([worker])
    with setup.answers_held() as release:
        asked = {"claim": f"C-{order_id}", "order_id": order_id, "notes": False}
        claim = await started_of(Catalog.load(OUTSIDE), client, deployment, "claim", **asked)
        await until(lambda: setup.credits_standing(order_id) == 1, "the credit is issued and its answer withheld")
        [known] = (await claim.until(lambda view: view.child_runs)).child_runs
        await setup.kill(WORKER)
        release()
    await setup.supervisor.start([worker])
    handle = client.get_workflow_handle(known.workflow_id, result_type=Ending)
    refund = Run(handle, claim.namespace, deployment)

    assert (await refund.ending(), await claim.ending()) == ("refunded", "settled")
    assert await setup.credits_counted(order_id) == 1
    assert setup.sends(refund, "issue_credit") == [("done", 2)]
    await setup.kill(WORKER)
    await setup.start_programs(WORKER)
