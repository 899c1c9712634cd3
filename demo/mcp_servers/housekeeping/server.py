"""The housekeeping board's tools."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.housekeeping.board import Board
from demo.mcp_servers.housekeeping.records import Cancellation, Task, TaskKind, Tasks
from demo.mcp_servers.housekeeping.request_tools import AnyReference, add_requests
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ,
    IdempotencyKey,
    MadeBy,
    Reference,
    RoomNumber,
    saying_why,
)


def build_server(board: Board) -> MCPServer:
    """The housekeeping board over the given board of tasks."""
    server = MCPServer("housekeeping", version="1.0", instructions="Rooms to be done.", log_level="WARNING")
    _add_tasks(server, board)
    add_requests(server, board.requests)
    return server


def _add_tasks(server: MCPServer, board: Board) -> None:
    @server.tool(annotations=READ)
    def tasks_of_room(room_number: RoomNumber, reference: AnyReference = "") -> Tasks:
        """List what is to be done in a room, and what was done or cancelled."""
        with saying_why():
            return board.tasks_of(room_number, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def create_task(
        room_number: RoomNumber, kind: TaskKind, reference: Reference, idempotency_key: IdempotencyKey
    ) -> Task:
        """Have a room done. A room has one open task of a kind; a repeated key gives the same task."""
        with saying_why():
            return board.create(room_number, kind, reference, idempotency_key)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def cancel_task(room_number: RoomNumber, reference: Reference) -> Cancellation:
        """Cancel the open tasks of a room that have this reference. Succeeds when there is none; not what is done."""
        with saying_why():
            return board.cancel(room_number, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def finish_task(task_id: Annotated[str, Field(min_length=1, max_length=40, description="such as HK-1001")]) -> Task:
        """Say that a task is done. Repeating it changes nothing."""
        with saying_why():
            return board.finish(task_id)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def take_back_task(room_number: RoomNumber, made_by: MadeBy) -> Cancellation:
        """Cancel the open tasks of a room that somebody else has made. Succeeds when there is none."""
        with saying_why():
            return board.cancel(room_number, made_by)
