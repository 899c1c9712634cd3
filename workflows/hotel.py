"""What the automations of a hotel share: how guests, rooms and bookings are written, and effects of their own."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue
from temporalio import workflow

from contracts.model import Model
from contracts.tools import Scalar, ToolOutcome
from workflows.machine import compensation
from workflows.steps import Run, StepFailed, call_tool, done, read_facts

Arguments = dict[str, JsonValue]

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


def this_run() -> str:
    """The name of this run, under which every system keeps what it does."""
    return workflow.info().workflow_id


def by_this_run(named: Arguments) -> Arguments:
    """With the reference under which every system keeps what this run does.

    All that it does can be named by it: nothing that is lost with an answer is ever needed.
    """
    return named | {"reference": this_run()}


async def do(
    run: Run[Any], what: str, server: str, tool: str, named: Arguments, *, undo: str, **more: JsonValue
) -> ToolOutcome:
    """One effect. Its undo is registered before it, and told which one by the same names. Raises StepFailed."""
    compensation.register(run, what, server, undo, by_this_run(named))
    return done(await call_tool(run, server, tool, by_this_run(named) | more), f"{server}.{tool}")


async def unlike(
    run: Run[Any], server: str, tool: str, arguments: Arguments, expected: Mapping[str, Scalar]
) -> list[str]:
    """What a system of record says otherwise than it should, by JSON pointer. Raises StepFailed."""
    found = (await read_facts(run, server, tool, arguments, {place: place for place in expected})).facts
    return _wrong(server, expected, found)


async def confirm(
    run: Run[Any], server: str, tool: str, arguments: Arguments, expected: Mapping[str, Scalar], tells: str
) -> Scalar:
    """What a system of record says at `tells`, once it says everything that it should. Raises StepFailed."""
    places = {place: place for place in (*expected, tells)}
    found = (await read_facts(run, server, tool, arguments, places)).facts
    check_outcome(_wrong(server, expected, found))
    return found.get(tells)


async def confirm_on_board(run: Run[Any], tool: str, asked: RoomRequest) -> Scalar:
    """The number under which housekeeping's board has the request: open, once, by this run. Raises StepFailed."""
    mine = by_this_run(asked.room)
    expected: dict[str, Scalar] = {"/open_count": 1, "/requests/0/type": asked.type}
    expected |= {"/requests/0/priority": asked.priority}
    return await confirm(run, "housekeeping", tool, mine, expected, "/requests/0/request_id")


def check_outcome(wrong: list[str]) -> None:
    """Raises StepFailed when the books do not say what should be."""
    if wrong:
        raise StepFailed("outcome check", f"the books do not say what should be: {'; '.join(wrong)}")


def _wrong(server: str, expected: Mapping[str, Scalar], found: Mapping[str, Scalar]) -> list[str]:
    wrong = {place: value for place, value in expected.items() if found.get(place) != value}
    return [f"{server} has {found.get(place)!r} at {place}, not {value!r}" for place, value in wrong.items()]


def listed(differing: Mapping[str, bool]) -> str:
    """The problems that there are, in one sentence; empty when there is none."""
    return "; ".join(words for words, differs in differing.items() if differs)[:400]
