"""The payment provider's tools."""

from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.payments.ledger import PaymentLedger
from demo.mcp_servers.payments.records import Credit, Credits, Payment, Reversal
from demo.mcp_servers.tools import (
    KEYED_EFFECT_OUTSIDE,
    READ,
    Cents,
    Currency,
    CustomerId,
    IdempotencyKey,
    OrderId,
    Reason,
    saying_why,
)

SECONDS_BETWEEN_LOOKS = 0.05

Reference = Annotated[str, Field(min_length=1, max_length=200, description="The caller's own name for this matter")]


class AnswerHold:
    """Withholds answers while a file exists: a story can then stop the world between effect and record."""

    def __init__(self, file: Path | None) -> None:
        self._file = anyio.Path(file) if file else None

    async def released(self) -> None:
        while self._file is not None and await self._file.exists():  # noqa: ASYNC110 - another process removes it
            await anyio.sleep(SECONDS_BETWEEN_LOOKS)


def build_server(ledger: PaymentLedger, hold: AnswerHold) -> MCPServer:
    """The payment provider over the given ledger."""
    server = MCPServer("payments", version="1.0", instructions="Payments and credits.", log_level="WARNING")
    _add_reads(server, ledger)
    _add_effects(server, ledger, hold)
    return server


def _add_reads(server: MCPServer, ledger: PaymentLedger) -> None:
    @server.tool(annotations=READ)
    def payment_of_order(order_id: OrderId) -> Payment:
        """Look up what was captured for an order. Amounts are in cents."""
        with saying_why():
            return ledger.payment(order_id)

    @server.tool(annotations=READ)
    def credits_of_order(order_id: OrderId) -> Credits:
        """List what was given back for an order; count and total_cents leave reversed credits out."""
        with saying_why():
            return ledger.credits(order_id)


def _add_effects(server: MCPServer, ledger: PaymentLedger, hold: AnswerHold) -> None:
    # The ledger works in a thread that a caller who hangs up cannot stop: an effect is whole, or it is not.
    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def issue_credit(
        order_id: OrderId,
        customer_id: CustomerId,
        cents: Cents,
        currency: Currency,
        reason: Reason,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Credit:
        """Give money back to whoever paid an order, at most what was captured. A repeated key gives the same credit."""
        with saying_why():
            credit = await anyio.to_thread.run_sync(
                ledger.issue, order_id, customer_id, cents, currency, reason, reference, idempotency_key
            )
        await hold.released()
        return credit

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def reverse_credit(order_id: OrderId, reference: Reference, idempotency_key: IdempotencyKey) -> Reversal:
        """Take back every issued credit of an order that has this reference. Succeeds when there is none."""
        with saying_why():
            reversal = await anyio.to_thread.run_sync(ledger.reverse, order_id, reference, idempotency_key)
        await hold.released()
        return reversal
