"""What a webhook or a command is given: the notice as one JSON document."""

from pydantic import JsonValue

from activities.notices import Notice
from contracts.canonical import canonical_json


def document_of(notice: Notice) -> bytes:
    """UTF-8 JSON: `type` names the event, `data` is the notice without an address."""
    data: dict[str, JsonValue] = notice.model_dump(mode="json", exclude={"address", "recipient"})
    return canonical_json({"type": f"interlock.{notice.event.value}", "data": data})
