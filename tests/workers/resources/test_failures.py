"""What a failure after sending means: the server's own word counts, also in a shape that is not its protocol's."""

from typing import Any

import pytest
from mcp_types import CallToolResult
from pydantic import BaseModel, ValidationError

from contracts.tools import Delivered
from workers.resources.mcp_connections.failures import delivered_despite


class Modern(BaseModel):
    """Demands what a server of the other era leaves out."""

    resultType: str  # noqa: N815 - as on the wire


def misfit(model: type[BaseModel], answer: dict[str, Any]) -> ValidationError:
    """What the SDK raises for such an answer."""
    with pytest.raises(ValidationError) as raised:
        model.model_validate(answer)
    return raised.value


def test_an_error_in_a_shape_that_does_not_fit_is_an_error_and_not_done() -> None:
    delivered = delivered_despite(misfit(Modern, {"isError": True, "content": []}), "crm.add_note")

    assert delivered.is_error
    assert not delivered.unreadable


@pytest.mark.parametrize(
    "answer", [{"isError": False, "content": "x"}, {"content": "x"}, {"content": [{"isError": True}]}]
)
def test_any_other_answer_that_does_not_fit_was_executed_and_cannot_be_read(answer: dict[str, Any]) -> None:
    delivered = delivered_despite(misfit(CallToolResult, answer), "crm.add_note")

    assert delivered == Delivered(unreadable="crm.add_note answered in a shape that is not the one it published")
