"""The bank's tools, one of every effect class. An effect that has begun happens, whoever hangs up meanwhile."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from tests.faults.bank.books import Books, KeyMisused

NAME = "bank"
LATE_SHARE, LATE_SECONDS = 0.1, 0.8
"""So many orders are applied so much later than others: a lookup that comes too early does not see them."""

READ = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
WRITE = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)

Text = Annotated[str, Field(min_length=1, max_length=200)]
Cents = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class Balance(BaseModel):
    """What stands on an account."""

    account_id: str
    cents: int


class Receipt(BaseModel):
    """What was done."""

    account_id: str
    memo: str
    done_before: bool = False


class Order(BaseModel):
    """An order as the bank knows it."""

    reference: str
    memo: str


class Orders(BaseModel):
    """What was found."""

    orders: list[Order]


class Pace:
    """How long the bank takes before and after an effect, drawn by lot; a kill must be able to come in between."""

    def __init__(self, seed: int, slowest_seconds: float) -> None:
        self._lot = Random(seed)
        self._slowest = slowest_seconds
        self._begun: set[asyncio.Task[object]] = set()

    async def around(self, memo: str, effect: Callable[[], object], *, may_be_late: bool = False) -> object:
        """The effect, in the midst of some waiting. A caller who hangs up does not stop it."""
        task = asyncio.create_task(self._slowly(effect, may_be_late))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        done = await asyncio.shield(task)
        await asyncio.sleep(self._lot.uniform(0, self._slowest))
        return done

    async def _slowly(self, effect: Callable[[], object], may_be_late: bool) -> object:
        late = LATE_SECONDS if may_be_late and self._lot.random() < LATE_SHARE else 0.0
        await asyncio.sleep(late + self._lot.uniform(0, self._slowest))
        return effect()


def build_server(books: Books, pace: Pace) -> MCPServer:
    """The bank over these books."""
    server = MCPServer(NAME, version="1.0", instructions="Accounts and transfers.", log_level="ERROR")
    _add_lookups(server, books, pace)
    _add_repeatable(server, books, pace)
    _add_keyed(server, books, pace)
    _add_unkeyed(server, books, pace)
    return server


def _add_lookups(server: MCPServer, books: Books, pace: Pace) -> None:
    @server.tool(annotations=READ)
    async def balance(account_id: Text, memo: Text) -> Balance:
        """What stands on an account."""
        books.arrives("balance", memo)
        await pace.around(memo, lambda: books.reads(memo, account_id))
        return Balance(account_id=account_id, cents=100)

    @server.tool(annotations=READ)
    async def find_orders(reference: Text) -> Orders:
        """The orders that were placed with this reference."""
        return Orders(orders=[Order(reference=reference, memo=memo) for memo in books.orders(reference)])


def _add_repeatable(server: MCPServer, books: Books, pace: Pace) -> None:
    @server.tool(annotations=WRITE)
    async def set_limit(account_id: Text, cents: Cents, memo: Text) -> Receipt:
        """Set the limit of an account; to set it again changes nothing."""
        books.arrives("set_limit", memo)
        new = await pace.around(memo, lambda: books.sets(memo, account_id, cents))
        return Receipt(account_id=account_id, memo=memo, done_before=not new)


def _add_keyed(server: MCPServer, books: Books, pace: Pace) -> None:
    async def keyed(tool: str, account_id: str, cents: int, memo: str, key: str) -> Receipt:
        books.arrives(tool, memo, key)
        try:
            new = await pace.around(memo, lambda: books.once(tool, memo, account_id, cents, key))
        except KeyMisused as misused:
            raise ToolError(str(misused)) from misused
        return Receipt(account_id=account_id, memo=memo, done_before=not new)

    @server.tool(annotations=WRITE)
    async def transfer(account_id: Text, cents: Cents, memo: Text, idempotency_key: Text) -> Receipt:
        """Transfer money; a repeated key is the same transfer."""
        return await keyed("transfer", account_id, cents, memo, idempotency_key)

    @server.tool(annotations=WRITE)
    async def reverse_transfer(account_id: Text, memo: Text, idempotency_key: Text) -> Receipt:
        """Take a transfer back; a repeated key is the same reversal."""
        return await keyed("reverse_transfer", account_id, 0, memo, idempotency_key)

    @server.tool(annotations=WRITE)
    async def cancel_order(account_id: Text, memo: Text, idempotency_key: Text) -> Receipt:
        """Cancel an order; a repeated key is the same cancellation."""
        return await keyed("cancel_order", account_id, 0, memo, idempotency_key)


def _add_unkeyed(server: MCPServer, books: Books, pace: Pace) -> None:
    @server.tool(annotations=WRITE)
    async def place_order(account_id: Text, cents: Cents, memo: Text, reference: Text) -> Receipt:
        """Place an order. It is kept with the reference, and twice the same reference is two orders."""
        books.arrives("place_order", memo, reference)

        def effect() -> None:
            books.adds("place_order", memo, account_id, cents, reference)

        await pace.around(memo, effect, may_be_late=True)
        return Receipt(account_id=account_id, memo=memo)

    @server.tool(annotations=WRITE)
    async def write_note(account_id: Text, memo: Text) -> Receipt:
        """Write a note. Twice the same note is two notes, and nobody can look them up."""
        books.arrives("write_note", memo)
        await pace.around(memo, lambda: books.adds("write_note", memo, account_id, 0))
        return Receipt(account_id=account_id, memo=memo)
