"""Papers delivered to a run: a delivery says where a paper stands and what it contains, and carries nothing of it."""

from typing import Literal, TypeVar

from pydantic import Field

from contracts.model import Model, Moment
from contracts.runs import Case

MAX_DELIVERY_BYTES = 2 * 1024
MAX_PENDING_DELIVERIES = 20
KEPT_ANSWERS = 20


class Delivery(Model):
    """Word that a paper was stored. Whoever has it looks there: it carries no content, and no authority."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")
    reference: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    by: str = Field(default="", max_length=200)
    """Who says so. Shown, and nothing more."""


class DeliveryAnswer(Model):
    """What became of a delivery, kept so that its sender can be told."""

    kind: str = ""
    reference: str = ""
    digest: str = ""
    by: str = ""
    outcome: Literal["taken", "known", "refused"]
    message: str = Field(max_length=300)
    at: Moment

    def answers(self, delivery: Delivery) -> bool:
        """Whether this was said of that paper."""
        return (self.kind, self.reference, self.digest) == (delivery.kind, delivery.reference, delivery.digest)


class DeliveryReceipt(Model):
    """What the sender of a delivery gets back."""

    outcome: Literal["taken", "known", "noted"]
    """`known`: this very paper was taken before. `noted`: the run looks at it when it waits again."""
    message: str


class DeliveryCase(Case):
    """The whole state of a run that takes deliveries."""

    deliveries: tuple[Delivery, ...] = ()
    """Those that have arrived and were not looked at yet."""
    answered: tuple[DeliveryAnswer, ...] = ()
    refused_deliveries: int = 0

    @property
    def last_refusal(self) -> str:
        """Why the last delivery that was refused was not taken; empty when none was."""
        return next((each.message for each in reversed(self.answered) if each.outcome == "refused"), "")


DeliveryCaseT = TypeVar("DeliveryCaseT", bound=DeliveryCase)
