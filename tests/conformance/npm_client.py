"""What the client from npm must have seen: a refund to its end, one that waits, and nothing that it decided itself."""

from typing import Any


def problems_of(story: dict[str, Any], order: str) -> list[str]:
    """What is not as it should be in the story that `client.mjs` tells."""
    large = story["large"]["run"]
    expected = {
        "the skill is offered": "refund" in story["tools"] and "approve" in story["tools"],
        "the small refund is started": story["small"]["run"] == f"refund/{order}",
        "it ends well": (story["ended"]["state"], story["ended"]["good"]) == ("refunded", True),
        "its states are told": story["told"][-1:] == [f"refund/{order}: refunded"],
        "the large one waits": story["waits"]["state"] == "awaiting_approval",
        "the person is asked": any(f"interlock approvals show {large}#1" in message for message in story["asked"]),
        "a bare call decides nothing": story["bare"]["decided"] is False and large in story["bare"]["command"],
        "a bare verdict is refused": "error" in story["forged"],
        "other input is refused": "limit_cents differ" in story["other"].get("error", ""),
    }
    return [what for what, so in expected.items() if not so]
