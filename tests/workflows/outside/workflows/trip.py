"""Trip: flight, room and car are booked one after the other, then paid for; each step fails in its own way."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from contracts.model import Model
    from contracts.runs import Case, Ending, RetryRule
    from workflows.machine import compensation
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import Escalate, KeepTrying, UndoAll
    from workflows.steps import StepFailed, call_tool, done


class State(StrEnum):
    """Where a trip can be."""

    FLYING = "flying"
    LODGING = "lodging"
    DRIVING = "driving"
    PAYING = "paying"

    BOOKED = "booked"
    CALLED_OFF = "called_off"  # no car was to be had, and everything was undone
    UNPAID = "unpaid"  # the card was declined, and everything was undone


class TripRequest(Model):
    """Which trip."""

    business_key: ClassVar[tuple[str, ...]] = ("trip",)

    trip: str


class TripCase(Case):
    """A trip's whole state."""

    request: TripRequest

    @property
    def trip(self) -> dict[str, JsonValue]:
        """The trip, as every tool names it."""
        return {"trip": self.request.trip}


TRIP = Machine(
    State,
    initial=State.FLYING,
    final=(State.BOOKED, State.CALLED_OFF, State.UNPAID),
    good=(State.BOOKED,),
)


@workflow.defn(name="trip")
class TripWorkflow(Automation[TripCase]):
    """One trip."""

    machine = TRIP
    name = "trip"

    @workflow.init
    def __init__(self, case: TripCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: TripCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @TRIP.state(State.FLYING, fails=Escalate())
    async def fly(self) -> Literal[State.LODGING]:
        """Without a flight people choose."""
        await self._book("the flight", "flights", RetryRule(within=3600))
        return State.LODGING

    @TRIP.state(State.LODGING, fails=KeepTrying(times=2, every=timedelta(minutes=5)))
    async def lodge(self) -> Literal[State.DRIVING]:
        """A room may become free; the flight is kept meanwhile."""
        await self._book("the room", "rooms", RetryRule(times=2, every=60))
        return State.DRIVING

    @TRIP.state(State.DRIVING, fails=UndoAll(to=State.CALLED_OFF))
    async def drive_away(self) -> Literal[State.PAYING]:
        """Without a car nobody wants the rest."""
        await self._book("the car", "cars", RetryRule())
        return State.PAYING

    @TRIP.state(State.PAYING)
    async def pay(self) -> Literal[State.BOOKED, State.UNPAID]:
        """What is not paid for is given back."""
        try:
            await self._book("the payment", "cards", RetryRule())
        except StepFailed as failure:
            return await compensation.undo_after(self, failure, State.UNPAID)
        return State.BOOKED

    async def _book(self, what: str, server: str, patience: RetryRule) -> None:
        compensation.register(self, what, server, "cancel", self.case.trip, patience)
        done(await call_tool(self, server, "book", self.case.trip), f"{server}.book")


TRIP.check()
