"""Service request: what a guest asks for in their room is put on housekeeping's board, once, and read back."""

from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.model import Model
    from contracts.runs import Case, Ending
    from contracts.tools import CallStatus, Scalar
    from workflows.books import do
    from workflows.hotel import RoomRequest, confirm_on_board, same_name
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import UndoAll
    from workflows.steps import call_tool, done


class ServiceRequest(RoomRequest):
    """What a guest wants, by name or by e-mail address."""

    type: Literal["towels", "pillows", "cleaning", "laundry", "room_service", "wake_up_call", "luggage", "other"]


class InRoom(Model):
    """Who is in the room, before anything is done."""

    occupied_by: Scalar = None
    guest_name: Scalar = None
    guest_email: Scalar = None


class ServiceRequestCase(Case):
    """A service request's whole state."""

    request: ServiceRequest
    found: InRoom = InRoom()
    request_id: Scalar = None
    """Under which housekeeping has it."""

    @property
    def problem(self) -> str:
        """Why nobody is sent; empty when nothing stands against it."""
        number, person = self.request.room_number, self.request.person
        if self.found.occupied_by is None:
            return f"nobody is in house in room {number}"
        theirs = (self.found.guest_name, self.found.guest_email)
        return "" if any(same_name(person, known) for known in theirs) else f"room {number} is another guest's"


class State(StrEnum):
    """Where a service request can be."""

    VALIDATING = "validating"
    SUBMITTING = "submitting"
    VERIFYING = "verifying"

    SUBMITTED = "submitted"
    REFUSED = "refused"  # it is not this guest's room; nothing was submitted
    DECLINED = "declined"  # housekeeping or policy said no; nothing is left of it


SERVICE = Machine(
    State,
    initial=State.VALIDATING,
    final=(State.SUBMITTED, State.REFUSED, State.DECLINED),
    good=(State.SUBMITTED,),
)

ROOM_FACTS = {name: f"/{name}" for name in InRoom.model_fields}


@workflow.defn(name="submit_guest_service_request")
class ServiceRequestWorkflow(Automation[ServiceRequestCase]):
    """One wish of a guest."""

    machine = SERVICE
    name = "submit_guest_service_request"
    owner_role = "duty_manager"

    @workflow.init
    def __init__(self, case: ServiceRequestCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: ServiceRequestCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @SERVICE.state(State.VALIDATING)
    async def validate(self) -> Literal[State.SUBMITTING, State.REFUSED]:
        """Look who is in the room: only its own guest has somebody sent there."""
        looked = await call_tool(self, "property", "find_room", self.case.request.room, facts=ROOM_FACTS)
        if looked.status is CallStatus.SAID_NO:
            self.note(reason=looked.message)
            return State.REFUSED
        self.note(found=InRoom(**done(looked, "property.find_room").facts))
        if problem := self.case.problem:
            self.note(reason=problem)
            return State.REFUSED
        return State.SUBMITTING

    @SERVICE.state(State.SUBMITTING, fails=UndoAll(to=State.DECLINED))
    async def submit(self) -> Literal[State.VERIFYING]:
        """Put it on housekeeping's board, or hear why it is not taken."""
        asked, tool, withdraw = self.case.request, "submit_service_request", "withdraw_service_request"
        await do(self, "the request", "housekeeping", tool, asked.room, undo=withdraw, **asked.wanted)
        return State.VERIFYING

    @SERVICE.state(State.VERIFYING)
    async def verify(self) -> Literal[State.SUBMITTED]:
        """Read the board back: this wish, open, once, by this run."""
        request_id = await confirm_on_board(self, "service_requests_of_room", self.case.request)
        self.note(request_id=request_id, reason=f"housekeeping has it as {request_id}")
        return State.SUBMITTED

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"{self.case.request.type} for room {self.case.request.room_number}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        asked = self.case.request
        shown = {"room": asked.room_number, "wanted": f"{asked.type} ({asked.priority})"}
        return shown | ({"request": str(self.case.request_id)} if self.case.request_id else {})


SERVICE.check()
