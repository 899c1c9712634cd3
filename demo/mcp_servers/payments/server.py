"""The payment provider's tools."""

from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.payments.corrections import add_corrections
from demo.mcp_servers.payments.ledger import PaymentLedger
from demo.mcp_servers.payments.records import (
    Authorisation,
    Authorisations,
    Credit,
    Credits,
    Payment,
    Release,
    Reversal,
)
from demo.mcp_servers.tools import (
    KEYED_EFFECT_OUTSIDE,
    READ,
    BookingNumber,
    Cents,
    Currency,
    CustomerId,
    GuestEmail,
    IdempotencyKey,
    OrderId,
    Reason,
    Reference,
    saying_why,
)

SECONDS_BETWEEN_LOOKS = 0.05

PaymentMethodId = Annotated[str, Field(min_length=1, max_length=60, description="A card on file")]
ClientToken = Annotated[
    str, Field(min_length=1, max_length=100, description="The payer's own token: one for each payment, for good")
]


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
    _add_stays(server, ledger, hold)
    _add_releases(server, ledger, hold)
    add_corrections(server, ledger.of_bookings, hold.released)
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


def _add_stays(server: MCPServer, ledger: PaymentLedger, hold: AnswerHold) -> None:
    @server.tool(annotations=READ)
    def payments_of_booking(booking_number: BookingNumber) -> Authorisations:
        """List what was authorised and captured for a booking; count and sums leave out what was given back."""
        return ledger.of_bookings.of(booking_number)

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def authorise(
        booking_number: BookingNumber,
        guest_email: GuestEmail,
        cents: Cents,
        currency: Currency,
        payment_method_id: PaymentMethodId,
        client_token: ClientToken,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Authorisation:
        """Reserve the price of a stay on the guest's card. A booking has one payment, and a token stands for one."""
        asked = (booking_number, guest_email, cents, currency, payment_method_id, client_token, reference)
        with saying_why():
            made = await anyio.to_thread.run_sync(ledger.of_bookings.authorise, *asked, idempotency_key)
        await hold.released()
        return made

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def capture(
        booking_number: BookingNumber, reference: Reference, idempotency_key: IdempotencyKey
    ) -> Authorisation:
        """Take what was reserved for a booking under this reference, all of it."""
        with saying_why():
            taken = await anyio.to_thread.run_sync(
                ledger.of_bookings.capture, booking_number, reference, idempotency_key
            )
        await hold.released()
        return taken


def _add_releases(server: MCPServer, ledger: PaymentLedger, hold: AnswerHold) -> None:
    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def void(booking_number: BookingNumber, reference: Reference, idempotency_key: IdempotencyKey) -> Release:
        """Give up what is reserved under this reference and not captured. Succeeds when there is nothing."""
        with saying_why():
            released = await anyio.to_thread.run_sync(
                ledger.of_bookings.void, booking_number, reference, idempotency_key
            )
        await hold.released()
        return released

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def refund(booking_number: BookingNumber, reference: Reference, idempotency_key: IdempotencyKey) -> Release:
        """Give back what was captured under this reference. Succeeds when there is nothing."""
        with saying_why():
            released = await anyio.to_thread.run_sync(
                ledger.of_bookings.refund, booking_number, reference, idempotency_key
            )
        await hold.released()
        return released
