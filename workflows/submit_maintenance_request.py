"""Maintenance request: what is broken is put on the board for repair; an urgent one closes the room if it is vacant."""

from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.model import Model
    from contracts.runs import Case, Ending
    from contracts.tools import CallStatus, Scalar
    from workflows.books import check_outcome, do, this_run, unlike
    from workflows.hotel import RoomRequest, confirm_on_board
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import UndoAll
    from workflows.steps import call_tool, done


class MaintenanceRequest(RoomRequest):
    """What is broken, and who has noticed it: a guest, or somebody of the house."""

    type: Literal["plumbing", "electrical", "heating", "lock", "furniture", "internet", "other"]


class RoomAsItIs(Model):
    """How the room is, before anything is done."""

    status: Scalar = None
    occupied_by: Scalar = None


class MaintenanceRequestCase(Case):
    """A maintenance request's whole state."""

    request: MaintenanceRequest
    found: RoomAsItIs = RoomAsItIs()
    request_id: Scalar = None
    """Under which the board has it."""
    closed: bool = False
    """This run has taken the room out of order."""

    @property
    def closes_the_room(self) -> bool:
        """Nobody may be given the room: it is urgent, the room is vacant, and nobody has closed it yet."""
        vacant = self.found.occupied_by is None and self.found.status != "out_of_order"
        return self.request.priority == "urgent" and vacant

    @property
    def what_of_the_room(self) -> str:
        """What people must know of it."""
        if self.closed:
            return "the room is out of order until it is repaired"
        if self.request.priority == "urgent" and self.found.occupied_by is not None:
            return f"booking {self.found.occupied_by} is in the room: move the guest, then take it out of order"
        return f"the room stays {self.found.status}"


class State(StrEnum):
    """Where a maintenance request can be."""

    LOOKING = "looking"
    SUBMITTING = "submitting"
    CLOSING_ROOM = "closing_room"  # nobody is given the room until it is repaired
    VERIFYING = "verifying"

    SUBMITTED = "submitted"
    ROOM_CLOSED = "room_closed"  # submitted, and the room is out of order
    REFUSED = "refused"  # there is no such room
    DECLINED = "declined"  # the board or policy said no; nothing is left of it
    REVERSED = "reversed"  # the room could not be closed, and the request was withdrawn


MAINTENANCE = Machine(
    State,
    initial=State.LOOKING,
    final=(State.SUBMITTED, State.ROOM_CLOSED, State.REFUSED, State.DECLINED, State.REVERSED),
    good=(State.SUBMITTED, State.ROOM_CLOSED),
)

ROOM_FACTS = {name: f"/{name}" for name in RoomAsItIs.model_fields}


@workflow.defn(name="submit_maintenance_request")
class MaintenanceRequestWorkflow(Automation[MaintenanceRequestCase]):
    """One thing that is broken."""

    machine = MAINTENANCE
    name = "submit_maintenance_request"
    owner_role = "duty_manager"

    @workflow.init
    def __init__(self, case: MaintenanceRequestCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: MaintenanceRequestCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @MAINTENANCE.state(State.LOOKING)
    async def look(self) -> Literal[State.SUBMITTING, State.REFUSED]:
        """Look how the room is, and whether somebody is in it."""
        looked = await call_tool(self, "property", "find_room", self.case.request.room, facts=ROOM_FACTS)
        if looked.status is CallStatus.SAID_NO:
            self.note(reason=looked.message)
            return State.REFUSED
        self.note(found=RoomAsItIs(**done(looked, "property.find_room").facts))
        return State.SUBMITTING

    @MAINTENANCE.state(State.SUBMITTING, fails=UndoAll(to=State.DECLINED))
    async def submit(self) -> Literal[State.CLOSING_ROOM, State.VERIFYING]:
        """Put it on the board, or hear why it is not taken."""
        asked, tool, withdraw = self.case.request, "submit_maintenance_request", "withdraw_maintenance_request"
        await do(self, "the request", "housekeeping", tool, asked.room, undo=withdraw, **asked.wanted)
        return State.CLOSING_ROOM if self.case.closes_the_room else State.VERIFYING

    @MAINTENANCE.state(State.CLOSING_ROOM, fails=UndoAll(to=State.REVERSED))
    async def close_room(self) -> Literal[State.VERIFYING]:
        """The property system gives the room to nobody until it is repaired."""
        room = self.case.request.room
        await do(self, "the closed room", "property", "take_out_of_order", room, undo="put_back_in_order")
        self.note(closed=True)
        return State.VERIFYING

    @MAINTENANCE.state(State.VERIFYING)
    async def verify(self) -> Literal[State.SUBMITTED, State.ROOM_CLOSED]:
        """Read board and property system back: this defect, open, once, by this run."""
        if self.case.closed:
            by_us: dict[str, Scalar] = {"/status": "out_of_order", "/out_of_order_by": this_run()}
            check_outcome(await unlike(self, "property", "find_room", self.case.request.room, by_us))
        request_id = await confirm_on_board(self, "maintenance_requests_of_room", self.case.request)
        self.note(request_id=request_id, reason=f"the board has it as {request_id}; {self.case.what_of_the_room}")
        return State.ROOM_CLOSED if self.case.closed else State.SUBMITTED

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"{self.case.request.type} in room {self.case.request.room_number}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        asked, found = self.case.request, self.case.found
        shown = {"room": asked.room_number, "to be repaired": f"{asked.type} ({asked.priority})"}
        shown |= {"the room was": str(found.status)} if found.status is not None else {}
        return shown | ({"request": str(self.case.request_id)} if self.case.request_id else {})


MAINTENANCE.check()
