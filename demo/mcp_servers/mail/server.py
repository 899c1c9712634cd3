"""The mail service's tools."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.mail.outbox import Outbox
from demo.mcp_servers.mail.records import Confirmation, MailBox, SentMail
from demo.mcp_servers.tools import KEYED_EFFECT_OUTSIDE, READ, Cents, IdempotencyKey, OrderId, saying_why

Address = Annotated[str, Field(min_length=3, max_length=254, description="one e-mail address")]
Subject = Annotated[str, Field(min_length=1, max_length=200, description="one line")]
Body = Annotated[str, Field(min_length=1, max_length=20_000, description="plain text")]


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

    return server
