"""Take papers that people deliver to a run: as an update (answered at once) or as a signal (noted in the case).

A paper is stored first, in the system that keeps it; a delivery is only word of it, by reference and digest. Handlers
enqueue. What is enqueued is looked up where it stands while the run waits, and counts only then. A delivery that is
malformed, repeated or untrue never harms the run.
"""

from datetime import datetime
from typing import ClassVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from contracts.deliveries import (
    KEPT_ANSWERS,
    MAX_DELIVERY_BYTES,
    MAX_PENDING_DELIVERIES,
    Delivery,
    DeliveryAnswer,
    DeliveryCaseT,
    DeliveryReceipt,
)
from workflows.machine.automation import Automation

REFUSED = "DeliveryRefused"
"""Type of the error of an update that is not taken."""
_MISSING = RawValue(Payload())


class TakesDeliveries(Automation[DeliveryCaseT]):
    """A run that people hand papers in to. A subclass says which, where it looks at them, and looks."""

    paper_kinds: ClassVar[tuple[str, ...]]
    """What may be delivered."""
    looks_in: ClassVar[tuple[str, ...]]
    """The waiting states in which what has arrived is looked at."""
    looks_no_more_in: ClassVar[tuple[str, ...]] = ()
    """The states after which nothing is looked at any more."""

    def already(self, delivery: Delivery) -> str:
        """Why a delivery need not be looked at, whatever the run does: it was taken before. Empty when it must be."""
        raise NotImplementedError

    async def look_at(self, delivery: Delivery) -> DeliveryAnswer:
        """Look the paper up where it stands, and say whether it is taken. Raises StepFailed when nobody can tell."""
        raise NotImplementedError

    # Messages.

    @workflow.update(name="deliver", description="Word of a stored paper, as `interlock runs deliver` sends it.")
    async def deliver(self, delivery: Delivery) -> DeliveryReceipt:
        """Enqueue a delivery, wait until it is looked at, and say what became of it."""
        if message := self.already(delivery):
            return DeliveryReceipt(outcome="known", message=message)
        self._enqueue(delivery)
        await workflow.wait_condition(lambda: delivery not in self.case.deliveries or not self._looks())
        if delivery in self.case.deliveries:
            message = f"noted; the run is {self.case.state}, and looks at it when it waits again"
            return DeliveryReceipt(outcome="noted", message=message)
        return self._receipt_for(delivery)

    @deliver.validator
    def _validate_delivery(self, delivery: Delivery) -> None:
        if problem := self._problem_with_delivery(delivery):
            raise ApplicationError(problem, type=REFUSED, non_retryable=True)

    @workflow.signal(name="deliver", description="The same as a signal; what is refused shows in the run.")
    def deliver_by_signal(self, raw: RawValue = _MISSING) -> None:
        """Enqueue a delivery that arrives as a signal, or note why it is not taken."""
        try:
            delivery = _parse(raw)
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            self._keep_answer(refusal(None, _first_line(error), workflow.now()))
            return
        if problem := self._problem_with_delivery(delivery):
            self._keep_answer(refusal(delivery, problem, workflow.now()))
        elif not self.already(delivery):
            self._enqueue(delivery)

    # Looking at what has arrived.

    def has_deliveries(self) -> bool:
        """Something has arrived that was not looked at."""
        return bool(self.case.deliveries)

    async def delivery_or(self, until: datetime | None, summary: str) -> bool:
        """Wait for a delivery, or for the moment `until`: then False."""
        return await self.wait_for(self.has_deliveries, until, summary)

    async def look_at_deliveries(self) -> None:
        """Look at everything that has arrived, in order; each is answered once. Raises StepFailed, and forgets none."""
        while self.case.deliveries:
            delivery = self.case.deliveries[0]
            answer = await self.look_at(delivery)
            self.note(deliveries=tuple(other for other in self.case.deliveries if other != delivery))
            self._keep_answer(answer)

    # The small parts.

    def _enqueue(self, delivery: Delivery) -> None:
        if delivery not in self.case.deliveries:
            self.note(deliveries=(*self.case.deliveries, delivery))

    def _looks(self) -> bool:
        """Whether the run is where it looks at what arrives, and does not pause there after a failed step."""
        return self.case.state in self.looks_in and self.case.again_at is None and not self.case.cancelling

    def _problem_with_delivery(self, delivery: Delivery) -> str:
        """What can be said against a delivery without leaving the workflow; empty when nothing."""
        if self.already(delivery):
            return ""
        if delivery.kind not in self.paper_kinds:
            return f"kind is {delivery.kind!r}; this run takes: {', '.join(self.paper_kinds)}"
        if self.case.cancelling or self.case.state in self.looks_no_more_in:
            return f"the run is {self.case.state}, and takes no papers any more"
        if len(self.case.deliveries) >= MAX_PENDING_DELIVERIES and delivery not in self.case.deliveries:
            return f"{MAX_PENDING_DELIVERIES} deliveries are waiting to be looked at already; send it again later"
        return ""

    def _receipt_for(self, delivery: Delivery) -> DeliveryReceipt:
        for answer in reversed(self.case.answered):
            if answer.answers(delivery) and answer.outcome != "refused":
                return DeliveryReceipt(outcome=answer.outcome, message=answer.message)
            if answer.answers(delivery):
                raise ApplicationError(answer.message, type=REFUSED, non_retryable=True)
        message = f"{delivery.reference} was looked at, and what came of it is no longer known; deliver it again"
        raise ApplicationError(message, type=REFUSED, non_retryable=True)

    def _keep_answer(self, answer: DeliveryAnswer) -> None:
        refused = self.case.refused_deliveries + (answer.outcome == "refused")
        self.note(answered=(*self.case.answered, answer)[-KEPT_ANSWERS:], refused_deliveries=refused)
        self._publish_details()


def taken(delivery: Delivery, message: str, at: datetime) -> DeliveryAnswer:
    """It stands where it was said to stand, and counts."""
    return DeliveryAnswer(**delivery.model_dump(), outcome="taken", message=message[:300], at=at)


def known(delivery: Delivery, message: str, at: datetime) -> DeliveryAnswer:
    """This very paper was taken before."""
    return DeliveryAnswer(**delivery.model_dump(), outcome="known", message=message[:300], at=at)


def refusal(delivery: Delivery | None, message: str, at: datetime) -> DeliveryAnswer:
    """It changes nothing."""
    said = delivery.model_dump() if delivery else {}
    return DeliveryAnswer(**said, outcome="refused", message=message[:300], at=at)


def _parse(raw: RawValue) -> Delivery:
    if raw is _MISSING:
        raise ValueError("the signal has no payload; send one JSON object with kind, reference and digest")
    if len(raw.payload.data) > MAX_DELIVERY_BYTES:
        raise ValueError(f"the delivery has {len(raw.payload.data)} bytes; at most {MAX_DELIVERY_BYTES} are read")
    parsed = workflow.payload_converter().from_payload(raw.payload, Delivery)
    if not isinstance(parsed, Delivery):
        raise TypeError(f"the signal carries {type(parsed).__name__}, not a JSON object with a delivery")
    return parsed


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "delivery"
        return f"the delivery does not have the shape of a delivery: {field}: {first['msg']}"
    return (str(error) or repr(error)).splitlines()[0][:300]
