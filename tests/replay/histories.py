"""Recorded histories: one file per automation and end of the road, free of what the recording machine left in it."""

import json
from pathlib import Path

from pydantic import JsonValue
from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).parent / "histories"
_STICKY = "TASK_QUEUE_KIND_STICKY"


def recorded() -> dict[str, str]:
    """Name -> JSON of every recorded history."""
    return {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.json"))}


def as_history(name: str, text: str) -> WorkflowHistory:
    """A history to replay. Replaying needs the workflow id that it was recorded under."""
    events = json.loads(text)["events"]
    started = events[0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


def scrubbed(history: WorkflowHistory) -> str:
    """Compact JSON without stack traces, process names and host names."""
    return json.dumps(_without_machine(json.loads(history.to_json())), separators=(",", ":"), sort_keys=True) + "\n"


def _without_machine(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_without_machine(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == _STICKY:
        value = value | {"name": "sticky"}
    kept = {name: _without_machine(item) for name, item in value.items() if name != "stackTrace"}
    return kept | ({"identity": "recorder"} if "identity" in kept else {})
