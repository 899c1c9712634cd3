"""What the automations of a hotel share: how guests, rooms, bookings and requests for a room are written."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from contracts.model import Model
from contracts.tools import Scalar
from workflows.books import Arguments, by_this_run, confirm
from workflows.steps import Run

EmailAddress = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")]
IdempotencyToken = Annotated[str, Field(min_length=1, max_length=100)]
"""The client's own word that it is the same request; never what identifies the business case."""
ROOM_NUMBER = r"^[A-Z0-9]{1,10}$"
NUMBER = r"^[A-Z0-9][A-Z0-9-]{0,39}$"
"""Of a booking, a payment or an account."""


class RoomRequest(Model):
    """What somebody asks for in a room. The case is who wants what where; the token is only their word for it."""

    business_key: ClassVar[tuple[str, ...]] = ("matter",)

    idempotency_token: IdempotencyToken
    person: str = Field(min_length=1, max_length=254)
    room_number: str = Field(pattern=ROOM_NUMBER)
    type: str
    priority: Literal["low", "normal", "high", "urgent"]
    description: str = Field(min_length=1, max_length=1_000)

    @property
    def matter(self) -> str:
        """What identifies it (docs/decisions/0043): what is typed in another way is the same."""
        words = (self.person, self.room_number, self.type, self.description)
        return "\n".join(" ".join(each.casefold().split()) for each in words)

    @property
    def room(self) -> Arguments:
        """The room, as every system names it."""
        return {"room_number": self.room_number}

    @property
    def wanted(self) -> Arguments:
        """What is wanted there, in the words of housekeeping's board."""
        named: Arguments = {"requested_by": self.person, "client_token": self.idempotency_token}
        return named | {"type": self.type, "priority": self.priority, "description": self.description}


def same_name(one: Scalar, other: Scalar) -> bool:
    """Whether two names differ in nothing but what people write in different ways."""
    return str(one).casefold().split() == str(other).casefold().split()


async def confirm_on_board(run: Run[Any], tool: str, asked: RoomRequest) -> Scalar:
    """The number under which housekeeping's board has the request: open, once, by this run. Raises StepFailed."""
    mine = by_this_run(asked.room)
    expected: dict[str, Scalar] = {"/open_count": 1, "/requests/0/type": asked.type}
    expected |= {"/requests/0/priority": asked.priority}
    return await confirm(run, "housekeeping", tool, mine, expected, "/requests/0/request_id")


def listed(differing: Mapping[str, bool]) -> str:
    """The problems that there are, in one sentence; empty when there is none."""
    return "; ".join(words for words, differs in differing.items() if differs)[:400]
