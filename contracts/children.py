"""Child runs: what a run says of the one it is about to start, and what it is told."""

from pydantic import Field, JsonValue

from contracts.model import Model
from contracts.runs import StartStatement

UNDER_WAY = "UnderWay"
"""Type of the error by which a worker says that a child run has not ended yet: it looks again later."""


class ChildToStart(Model):
    """Input of the activity that enters a child run under its parent's own, before it is started."""

    automation: str
    business_key: str
    request: dict[str, JsonValue]
    step: str
    occurrence: str = "1"


class EnteredChild(Model):
    """Output of that activity: the statement by which the child begins, or why it may not."""

    start: StartStatement | None = None
    begun: bool = False
    """It was registered before: the parent was reset since, and finds its child again."""
    refused: str = ""
    another: bool = False
    """Refused, because this step has started a child with other input; a new intention may start another."""


MAX_ASKS_BYTES = 4 * 1024


class ChildAsks(Model):
    """The signal of a child to its parent: what it asks people now."""

    workflow_id: str = Field(max_length=400)
    asks: str = Field(default="", max_length=400)


class ChildToFind(Model):
    """Input of the activity that looks for the ending of a child that was started before."""

    workflow_id: str


class FirstCase(Model):
    """What a child run is started with: the case of its automation, of which only these are set."""

    start: StartStatement
    request: dict[str, JsonValue]
