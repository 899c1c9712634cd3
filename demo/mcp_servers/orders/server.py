"""The order system's tools and resources."""

from datetime import date
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from pydantic import Field

from demo.mcp_servers.orders.book import OrderBook
from demo.mcp_servers.orders.records import (
    FoundOrders,
    OpenOrders,
    Order,
    OrderConditions,
    OrderHistory,
    OrderStatus,
    RefundMark,
    Replacement,
    Replacements,
)
from demo.mcp_servers.refusals import Refused
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ,
    Cents,
    CustomerId,
    OrderId,
    Reason,
    Reference,
    saying_why,
)

Sku = Annotated[str, Field(min_length=1, max_length=40, description="Number of an item, such as TAB-0420")]

RETURN_POLICY = """# Returns and damaged goods

- Goods that arrive damaged are refunded at the price of the damaged items; nothing has to be sent back.
- A whole order is refunded when all of it is unusable.
- Claims are accepted for 30 days after delivery.
- An order is refunded once, in its own currency, and never above its total.
"""

Late = Annotated[bool, Field(description="true: only those not delivered that were promised by an earlier day")]
Page = Annotated[int, Field(ge=1, description="counts from 1")]


def build_server(book: OrderBook) -> MCPServer:
    """The order system over the given book."""
    server = MCPServer("orders", version="1.0", instructions="Orders and their state.", log_level="WARNING")
    _add_reads(server, book)
    _add_query(server, book)
    _add_writes(server, book)
    _add_replacements(server, book)
    _add_resources(server, book)
    return server


def _add_reads(server: MCPServer, book: OrderBook) -> None:
    @server.tool(annotations=READ)
    def find_order(order_id: OrderId) -> Order:
        """Look an order up: customer, items with prices in cents, status, dates, and what was refunded."""
        with saying_why():
            return book.find(order_id)

    @server.tool(annotations=READ)
    def open_orders_of_customer(customer_id: CustomerId) -> OpenOrders:
        """List a customer's orders that are not delivered yet, and how many days late each is."""
        with saying_why():
            return book.open_orders(customer_id)

    @server.tool(annotations=READ)
    def order_history(customer_id: CustomerId, page: Page = 1) -> OrderHistory:
        """Read all orders of a customer, oldest first, page by page; a full page is about 20 KB."""
        with saying_why():
            return book.history(customer_id, page)


def _add_query(server: MCPServer, book: OrderBook) -> None:
    @server.tool(annotations=READ)
    def find_orders(
        customer_id: CustomerId | None = None,
        status: OrderStatus | None = None,
        placed_from: date | None = None,
        placed_until: date | None = None,
        least_cents: Cents | None = None,
        most_cents: Cents | None = None,
        sku: Sku | None = None,
        late: Late = False,
        page: Page = 1,
    ) -> FoundOrders:
        """Find orders that meet every condition given, newest first, page by page; without any, all orders."""
        asked = OrderConditions(
            customer_id=customer_id,
            status=status,
            placed_from=placed_from,
            placed_until=placed_until,
            least_cents=least_cents,
            most_cents=most_cents,
            sku=sku,
            late=late,
        )
        with saying_why():
            return book.matching(asked, page)


def _add_writes(server: MCPServer, book: OrderBook) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def mark_refunded(order_id: OrderId, cents: Cents, reason: Reason) -> RefundMark:
        """Record on an order that `cents` were refunded. Moves no money; repeating it changes nothing."""
        with saying_why():
            return book.mark_refunded(order_id, cents, reason)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def unmark_refunded(order_id: OrderId) -> RefundMark:
        """Take the refund mark off an order and restore its earlier status. Succeeds when there is none."""
        with saying_why():
            return book.unmark_refunded(order_id)


def _add_replacements(server: MCPServer, book: OrderBook) -> None:
    @server.tool(annotations=READ)
    def replacements_of_order(
        order_id: OrderId,
        reference: Annotated[str, Field(max_length=200, description="only of this matter; empty for all")] = "",
    ) -> Replacements:
        """List what was sent once more for an order, oldest first."""
        with saying_why():
            return book.replacements.of_order(order_id, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def place_replacement(order_id: OrderId, sku: Sku, cents: Cents, reference: Reference) -> Replacement:
        """Send an item of a delivered order once more; `cents` is its price. Repeating it changes nothing."""
        with saying_why():
            return book.replacements.place(order_id, sku, cents, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def cancel_replacement(order_id: OrderId, sku: Sku, reference: Reference) -> Replacements:
        """Take back a replacement that was ordered under this reference. Succeeds when there is none."""
        with saying_why():
            return book.replacements.cancel(order_id, sku, reference)


def _add_resources(server: MCPServer, book: OrderBook) -> None:
    @server.resource("orders://return-policy", title="Return policy", mime_type="text/markdown")
    def return_policy() -> str:
        """What the shop promises about returns and damaged goods."""
        return RETURN_POLICY

    @server.resource(
        "orders://customers/{customer_id}/open-orders",
        title="Open orders of a customer",
        mime_type="application/json",
    )
    def open_orders(customer_id: str) -> str:
        """A customer's orders that are not delivered yet."""
        try:
            return book.open_orders(customer_id).model_dump_json()
        except Refused as refused:
            raise ResourceNotFoundError(str(refused)) from refused
