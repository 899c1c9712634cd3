"""Ways through a change to production: two roles sign the plan, and what fails is taken back."""

from contracts.decisions import Verdict
from tests.demo_servers import says_no
from tests.faults.ways.journey import Effects, Journey
from tests.workflows.operations_world import DELETION, DEPLOYMENT, ROTATION

SIGNED = ((Verdict.APPROVE, "carla"), (Verdict.APPROVE, "sven"))


def _registered(change_id: str, status: str) -> Effects:
    return {"changes.changes": ({"change_id": change_id, "status": status},)}


_KEY = {"credential": "payments-gateway-key"}
CHANGES = (
    Journey(
        "a deployment is signed",
        "operations_change",
        DEPLOYMENT,
        "verified",
        {
            **_registered("CHG-2041", "done"),
            "releases.services": ({"service": "checkout-api", "version": "2.15.0", "canary": None},),
        },
        simulated=True,
        people=SIGNED,
    ),
    Journey(
        "a key is rotated",
        "operations_change",
        ROTATION,
        "verified",
        {
            **_registered("CHG-2042", "done"),
            "vault.credentials": (_KEY | {"current_version": 8, "pending_version": None, "revoked_version": 7},),
        },
        simulated=True,
        people=SIGNED,
    ),
    Journey(
        "the old key cannot be revoked, and the rotation is taken back",
        "operations_change",
        ROTATION,
        "rolled_back",
        _registered("CHG-2042", "withdrawn"),
        simulated=True,
        people=SIGNED,
        faults={"vault.revoke_version": says_no},
    ),
    Journey(
        "a deletion is stopped while it cools off",
        "operations_change",
        DELETION,
        "stopped",
        _registered("CHG-2043", "withdrawn"),
        simulated=True,
        people=((Verdict.APPROVE, "carla"), (Verdict.APPROVE, "nora"), (Verdict.ABANDON, "nora")),
    ),
    Journey(
        "a deletion would not cool off for long enough",
        "operations_change",
        DELETION | {"cooling_off_hours": 24},
        "declined",
        simulated=True,
    ),
    Journey("what runs already is not deployed", "operations_change", DEPLOYMENT | {"version": "2.14.3"}, "refused"),
    Journey(
        "a deployment is rejected",
        "operations_change",
        DEPLOYMENT,
        "rejected",
        simulated=True,
        people=((Verdict.REJECT, "carla"),),
    ),
)
