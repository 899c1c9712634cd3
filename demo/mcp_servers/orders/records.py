"""What the order system answers with."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class OrderStatus(StrEnum):
    PLACED = "placed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    REFUNDED = "refunded"


class OrderItem(Record):
    sku: str
    name: str
    quantity: int
    unit_price_cents: int


class Order(Record):
    order_id: str
    customer_id: str
    customer_name: str
    customer_email: str | None = Field(description="null when the customer gave no address")
    status: OrderStatus = Field(description="'refunded' means wholly or in part: see refunded_cents")
    items: list[OrderItem]
    total_cents: int
    currency: str
    placed_on: date
    promised_by: date
    delivered_on: date | None
    refunded_cents: int


class OpenOrder(Record):
    order_id: str
    status: OrderStatus
    placed_on: date
    promised_by: date
    days_late: int = Field(description="days past promised_by, as of as_of; 0 when not late")
    items: list[OrderItem]
    total_cents: int
    currency: str


class OpenOrders(Record):
    customer_id: str
    customer_name: str
    as_of: date
    count: int
    orders: list[OpenOrder]


class HistoryEntry(Record):
    order_id: str
    status: OrderStatus
    placed_on: date
    delivered_on: date | None
    items: list[OrderItem]
    total_cents: int
    currency: str
    refunded_cents: int


class OrderHistory(Record):
    customer_id: str
    page: int
    pages: int
    orders_in_all: int
    orders: list[HistoryEntry] = Field(description="oldest first")


class RefundMark(Record):
    order_id: str
    status: OrderStatus
    refunded_cents: int
    total_cents: int
    currency: str


class OrderConditions(Record):
    """What orders must be like; all of it must hold."""

    customer_id: str | None = None
    status: OrderStatus | None = None
    placed_from: date | None = None
    placed_until: date | None = None
    least_cents: int | None = None
    most_cents: int | None = None
    sku: str | None = None
    late: bool = False


class FoundOrder(HistoryEntry):
    customer_id: str
    promised_by: date


class FoundOrders(Record):
    page: int
    pages: int
    orders_in_all: int = Field(description="that meet every condition")
    orders: list[FoundOrder] = Field(description="newest first")


class ReplacementStatus(StrEnum):
    ORDERED = "ordered"
    CANCELLED = "cancelled"


class Replacement(Record):
    replacement_id: str
    order_id: str
    sku: str
    cents: int = Field(description="the price of one, which the customer does not pay again")
    status: ReplacementStatus
    reference: str


class Replacements(Record):
    order_id: str
    count: int
    standing_count: int = Field(description="without those that were cancelled")
    replacements: list[Replacement] = Field(description="oldest first")
