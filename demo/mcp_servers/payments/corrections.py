"""The payment provider's tools for whoever puts right what another has left: by the number of the payment."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import anyio.to_thread
from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.payments.authorisations import Authorisations
from demo.mcp_servers.payments.records import Authorisation, StayPayments
from demo.mcp_servers.tools import (
    KEYED_EFFECT_OUTSIDE,
    READ,
    Cents,
    IdempotencyKey,
    Reason,
    Reference,
    saying_why,
)

AuthorisationId = Annotated[str, Field(min_length=1, max_length=40, description="Payment number, such as AU-1001")]


def add_corrections(server: MCPServer, payments: Authorisations, released: Callable[[], Awaitable[None]]) -> None:
    """Look one payment up, void it, give it back. `released`: until then answers are withheld."""

    @server.tool(annotations=READ)
    def find_payment(authorisation_id: AuthorisationId) -> StayPayments:
        """Look up a payment for a stay by its number, if there is one: whose, for which booking, and how it stands."""
        return payments.numbered(authorisation_id)

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def void_payment(
        authorisation_id: AuthorisationId, reason: Reason, reference: Reference, idempotency_key: IdempotencyKey
    ) -> Authorisation:
        """Give up a payment that is reserved and not captured, whoever has made it."""
        asked = (authorisation_id, reason, reference, idempotency_key)
        with saying_why():
            voided = await anyio.to_thread.run_sync(payments.give_up, *asked)
        await released()
        return voided

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    async def refund_payment(
        authorisation_id: AuthorisationId,
        cents: Cents,
        reason: Reason,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Authorisation:
        """Give back a captured payment to the card it came from, all of it, whoever has made it."""
        asked = (authorisation_id, cents, reason, reference, idempotency_key)
        with saying_why():
            refunded = await anyio.to_thread.run_sync(payments.give_back, *asked)
        await released()
        return refunded
