"""The idempotency key: made from deployment, run, step and occurrence alone, so that it survives every retry."""

import base64
import hashlib

from pydantic import JsonValue

from activities.conversations import RunKey
from contracts.canonical import canonical_json


def idempotency_key(deployment: str, run: RunKey, step: str, occurrence: str) -> str:
    """52 characters of base32; stable over retries, re-pins, resets and continue-as-new."""
    named: dict[str, JsonValue] = {
        "purpose": "interlock/idempotency/v1",
        "deployment": deployment,
        "workflow_id": run.workflow_id,
        "first_run_id": run.first_run_id,
        "step": step,
        "occurrence": occurrence,
    }
    return base64.b32encode(hashlib.sha256(canonical_json(named)).digest()).decode().rstrip("=").lower()
