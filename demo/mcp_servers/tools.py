"""What the tools of all servers share: honest annotations, argument types, and how they say no."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from demo.mcp_servers.refusals import Refused

READ = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
# Reads text that strangers wrote: whoever shows it to a model must expect anything in it.
READ_FROM_STRANGERS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True)
IDEMPOTENT_ADDITION = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
IDEMPOTENT_REMOVAL = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
# Money or a message leaves the house; the idempotency key makes a repeated call count once.
KEYED_EFFECT_OUTSIDE = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
)
REPEATABLE_ADDITION = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)

OrderId = Annotated[str, Field(min_length=1, max_length=40, description="Order number, such as A-17")]
CustomerId = Annotated[str, Field(min_length=1, max_length=40, description="Customer number, such as C-7")]
Cents = Annotated[int, Field(strict=True, ge=1, le=100_000_000, description="Amount in cents")]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code, such as EUR")]
Reason = Annotated[str, Field(min_length=1, max_length=2_000, description="Why, for the records")]
BookingNumber = Annotated[str, Field(min_length=1, max_length=40, description="Booking number, such as B-2041")]
RoomNumber = Annotated[str, Field(min_length=1, max_length=10, description="Room number, such as 204")]
GuestEmail = Annotated[str, Field(min_length=3, max_length=254, description="The guest's e-mail address")]
EmployeeId = Annotated[str, Field(min_length=1, max_length=40, description="Employee number, such as E-2041")]
Reference = Annotated[str, Field(min_length=1, max_length=200, description="The caller's own name for this matter")]
MadeBy = Annotated[
    str, Field(min_length=1, max_length=200, description="The reference of whoever has done what is taken back")
]
IdempotencyKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="Repeat it to repeat a call safely; kept for 24 hours at least",
    ),
]


@contextmanager
def saying_why() -> Iterator[None]:
    """Hand a refusal to the caller as a tool error carrying its sentence."""
    try:
        yield
    except Refused as refused:
        raise ToolError(str(refused)) from refused
