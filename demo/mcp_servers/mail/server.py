"""The mail service's tools."""

from typing import Annotated, Literal

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.mail.outbox import Outbox
from demo.mcp_servers.mail.records import Confirmation, MailBox, ResolutionConfirmed, ResolutionsConfirmed, SentMail
from demo.mcp_servers.tools import (
    KEYED_EFFECT_OUTSIDE,
    READ,
    Cents,
    IdempotencyKey,
    OrderId,
    Reference,
    saying_why,
)

Address = Annotated[str, Field(min_length=3, max_length=254, description="one e-mail address")]
Subject = Annotated[str, Field(min_length=1, max_length=200, description="one line")]
Body = Annotated[str, Field(min_length=1, max_length=20_000, description="plain text")]
Ticket = Annotated[str, Field(min_length=1, max_length=40, description="Number of the ticket")]
Outcome = Literal["explained", "credited", "replaced", "declined"]
Given = Annotated[int, Field(strict=True, ge=0, le=100_000_000, description="What it comes to, in cents")]
PageId = Annotated[str, Field(max_length=60, description="Page of the documentation that it rests on")]


def build_server(outbox: Outbox) -> MCPServer:
    """The mail service over the given outbox."""
    server = MCPServer("mail", version="1.0", instructions="Mail to customers.", log_level="WARNING")

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    def send_mail(to: Address, subject: Subject, body: Body, idempotency_key: IdempotencyKey) -> SentMail:
        """Send a plain-text mail to one address. A repeated key sends nothing and returns the same mail."""
        with saying_why():
            return outbox.send(to, subject, body, idempotency_key)

    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    def confirm_refund(order_id: OrderId, cents: Cents, idempotency_key: IdempotencyKey) -> Confirmation:
        """Tell whoever placed an order that `cents` were refunded for it, in this service's own words."""
        with saying_why():
            return outbox.confirm_refund(order_id, cents, idempotency_key)

    @server.tool(annotations=READ)
    def mail_sent_to(to: Address) -> MailBox:
        """List the mails that were sent to an address, oldest first."""
        with saying_why():
            return outbox.sent_to(to)

    _add_tickets(server, outbox)
    return server


def _add_tickets(server: MCPServer, outbox: Outbox) -> None:
    @server.tool(annotations=KEYED_EFFECT_OUTSIDE)
    def confirm_resolution(
        order_id: OrderId,
        ticket: Ticket,
        outcome: Outcome,
        cents: Given,
        page_id: PageId,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> ResolutionConfirmed:
        """Tell whoever placed an order what became of their ticket, in this service's own words."""
        asked = (order_id, ticket, outcome, cents, page_id, reference, idempotency_key)
        with saying_why():
            return outbox.confirm_resolution(*asked)

    @server.tool(annotations=READ)
    def confirmations_of(reference: Reference) -> ResolutionsConfirmed:
        """List what customers were told in this matter, oldest first."""
        return outbox.confirmed(reference)
