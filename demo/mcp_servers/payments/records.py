"""What the payment provider answers with."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class CreditStatus(StrEnum):
    ISSUED = "issued"
    REVERSED = "reversed"


class AuthorisationStatus(StrEnum):
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Payment(Record):
    payment_id: str
    order_id: str
    customer_id: str
    captured_cents: int
    currency: str
    captured_on: date
    method: str


class Credit(Record):
    credit_id: str
    order_id: str
    cents: int
    currency: str
    reason: str
    reference: str
    status: CreditStatus


class Credits(Record):
    order_id: str
    count: int = Field(description="credits that are issued and not reversed")
    total_cents: int = Field(description="sum of the credits that are issued and not reversed")
    currency: str
    credits: list[Credit] = Field(description="all credits, reversed ones included, oldest first")


class Reversal(Record):
    order_id: str
    reference: str
    reversed_count: int
    reversed_cents: int
    currency: str
    credit_ids: list[str]


class Authorisation(Record):
    authorisation_id: str
    booking_number: str
    guest_email: str
    cents: int
    currency: str
    payment_method_id: str
    client_token: str
    reference: str
    status: AuthorisationStatus


class Authorisations(Record):
    booking_number: str
    count: int = Field(description="authorisations that stand: reserved or captured, neither voided nor refunded")
    authorised_cents: int = Field(description="reserved on a card and not captured")
    captured_cents: int = Field(description="captured and not refunded")
    authorisations: list[Authorisation] = Field(description="all of them, oldest first")


class Release(Record):
    booking_number: str
    reference: str
    released_cents: int = Field(description="voided or refunded by this call; 0 when there was nothing to release")


class StayPayments(Record):
    authorisation_id: str
    count: int = Field(description="0 or 1")
    payments: list[Authorisation]
