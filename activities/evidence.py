"""Verify a decision: is it for this run, this request and this action, in time, and from somebody entitled?"""

from datetime import datetime, timedelta

from activities.conversations import RunKey
from contracts.decisions import Decision
from contracts.deployment import Deployment, Mode

SKEW = timedelta(seconds=60)


def problem_with(
    decision: Decision,
    *,
    deployment: Deployment,
    run: RunKey,
    action_digest: str,
    requester: str,
    now: datetime,
) -> str:
    """Why `decision` does not count, in one sentence; empty when it does."""
    expected = {
        "deployment": deployment.id,
        "namespace": deployment.namespace,
        "workflow_id": run.workflow_id,
        "first_run_id": run.first_run_id,
        "action_digest": action_digest,
    }
    for field, value in expected.items():
        if getattr(decision, field) != value:
            return f"{field} is {getattr(decision, field)!r}, here it is {value!r}; read the request again"
    return _unsigned(decision, deployment) or _untimely(decision, now) or _not_entitled(decision, requester)


def _unsigned(decision: Decision, deployment: Deployment) -> str:
    if decision.signature is not None:
        return (
            "signed decisions cannot be verified by this version; leave key_id, nonce and signature out in development"
        )
    if deployment.mode is not Mode.DEVELOPMENT:
        return f"unsigned decisions count in development mode only; this deployment runs in {deployment.mode.value}"
    return ""


def _untimely(decision: Decision, now: datetime) -> str:
    if decision.issued_at > now + SKEW:
        return (
            f"it was issued at {decision.issued_at:%Y-%m-%d %H:%M:%S} UTC, in the future; check the clock of its sender"
        )
    if decision.expires_at <= now:
        return f"it expired at {decision.expires_at:%Y-%m-%d %H:%M:%S} UTC; decide again"
    return ""


def _not_entitled(decision: Decision, requester: str) -> str:
    if decision.approver.strip().casefold() == requester.strip().casefold():
        return f"{decision.approver!r} asked for this run and may not decide on it; somebody else must"
    return ""
