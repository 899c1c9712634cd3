"""The payment provider's ledger: captures, credits and idempotency keys, one transaction per effect."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from demo.mcp_servers import world
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.payments import answers, authorisations
from demo.mcp_servers.payments.answers import answered, remember
from demo.mcp_servers.payments.authorisations import Authorisations
from demo.mcp_servers.payments.records import Credit, Credits, CreditStatus, Payment, Reversal
from demo.mcp_servers.refusals import Refused

FILE_NAME = "payments.db"

TABLES = (
    """CREATE TABLE payments (
        order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, payment_id TEXT NOT NULL UNIQUE,
        captured_cents INTEGER NOT NULL, currency TEXT NOT NULL, captured_on TEXT NOT NULL, method TEXT NOT NULL)""",
    """CREATE TABLE credits (
        number INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL REFERENCES payments,
        cents INTEGER NOT NULL, currency TEXT NOT NULL, reason TEXT NOT NULL, reference TEXT NOT NULL,
        status TEXT NOT NULL)""",
    "CREATE INDEX credits_of_order ON credits (order_id)",
    *answers.TABLES,
    *authorisations.TABLES,
)

VIEWS = {
    "payments": "order_id, customer_id, payment_id, captured_cents, currency, captured_on, method",
    "credits": "number, order_id, cents, currency, reason, reference, status",
    **authorisations.VIEWS,
}


class PaymentLedger:
    """Reads and writes payments and credits; refuses in sentences."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile
        self.of_bookings = Authorisations(datafile)

    @classmethod
    def open(cls, folder: Path) -> "PaymentLedger":
        return cls(DataFile.create(folder / FILE_NAME, TABLES, VIEWS, _fill))

    @classmethod
    def open_existing(cls, folder: Path) -> "PaymentLedger":
        return cls(DataFile.existing(folder / FILE_NAME, VIEWS))

    def payment(self, order_id: str) -> Payment:
        with self._datafile.reading() as connection:
            return _payment(connection, order_id)

    def credits(self, order_id: str) -> Credits:
        with self._datafile.reading() as connection:
            currency = _payment(connection, order_id).currency
            every, standing = list(_credits(connection, order_id)), _standing(connection, order_id)
        total_cents = sum(credit.cents for credit in standing)
        return Credits(
            order_id=order_id, count=len(standing), total_cents=total_cents, currency=currency, credits=every
        )

    def issue(
        self, order_id: str, customer_id: str, cents: int, currency: str, reason: str, reference: str, key: str
    ) -> Credit:
        """Give money back, once per key; the credit, its key and the answer are committed together."""
        request = json.dumps(["issue_credit", order_id, customer_id, cents, currency, reason, reference])
        with self._datafile.writing() as connection:
            known = answered(connection, key, request, Credit)
            if known is not None:
                return known
            payment = _payment(connection, order_id)
            _refuse_other_payer(payment, customer_id)
            _refuse_credit(payment, _standing(connection, order_id), cents, currency)
            _insert_credit(connection, order_id, cents, currency, reason, reference)
            credit = list(_credits(connection, order_id))[-1]
            remember(connection, key, request, credit)
            return credit

    def reverse(self, order_id: str, reference: str, key: str) -> Reversal:
        """Take back every issued credit with this reference; when there is none, that is a success too."""
        request = json.dumps(["reverse_credit", order_id, reference])
        with self._datafile.writing() as connection:
            known = answered(connection, key, request, Reversal)
            if known is not None:
                return known
            currency = _payment(connection, order_id).currency
            standing = [credit for credit in _standing(connection, order_id) if credit.reference == reference]
            connection.execute(
                "UPDATE credits SET status = 'reversed' WHERE order_id = ? AND reference = ?",
                (order_id, reference),
            )
            reversal = _reversal(order_id, reference, currency, standing)
            # A reversal that found nothing is not remembered: the credit may still be on its way.
            if standing:
                remember(connection, key, request, reversal)
            return reversal


def _refuse_other_payer(payment: Payment, customer_id: str) -> None:
    if customer_id != payment.customer_id:
        raise Refused(
            f"order {payment.order_id!r} was not paid by customer {customer_id!r}, and a credit goes to whoever paid; "
            "look the order up and name its customer"
        )


def _refuse_credit(payment: Payment, standing: list[Credit], cents: int, currency: str) -> None:
    if currency != payment.currency:
        raise Refused(f"order {payment.order_id!r} was paid in {payment.currency}; it cannot be credited in {currency}")
    left_cents = payment.captured_cents - sum(credit.cents for credit in standing)
    if cents > left_cents:
        raise Refused(
            f"order {payment.order_id!r} has {left_cents} of {payment.captured_cents} captured {currency} "
            f"cents left to give back; {cents} is more than that"
        )


def _payment(connection: sqlite3.Connection, order_id: str) -> Payment:
    row = connection.execute("SELECT * FROM payments WHERE order_id = ?", (order_id,)).fetchone()
    if row is None:
        raise Refused(f"no payment was captured for order {order_id!r}; check the order number")
    return Payment(**row)


def _credits(connection: sqlite3.Connection, order_id: str) -> Iterator[Credit]:
    rows = connection.execute("SELECT * FROM credits WHERE order_id = ? ORDER BY number", (order_id,))
    return (Credit(credit_id=f"CR-{1000 + row['number']}", **row) for row in rows)


def _standing(connection: sqlite3.Connection, order_id: str) -> list[Credit]:
    return [credit for credit in _credits(connection, order_id) if credit.status is CreditStatus.ISSUED]


def _insert_credit(
    connection: sqlite3.Connection, order_id: str, cents: int, currency: str, reason: str, reference: str
) -> None:
    connection.execute(
        """INSERT INTO credits (order_id, cents, currency, reason, reference, status)
           VALUES (?, ?, ?, ?, ?, 'issued')""",
        (order_id, cents, currency, reason, reference),
    )


def _reversal(order_id: str, reference: str, currency: str, credits_: list[Credit]) -> Reversal:
    return Reversal(
        order_id=order_id,
        reference=reference,
        reversed_count=len(credits_),
        reversed_cents=sum(credit.cents for credit in credits_),
        currency=currency,
        credit_ids=[credit.credit_id for credit in credits_],
    )


def _fill(connection: sqlite3.Connection) -> None:
    authorisations.fill(connection)
    for number, order in enumerate(world.orders(world.today()), start=1):
        connection.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, 'card')",
            (
                order.order_id,
                order.customer_id,
                f"PAY-{number:05}",
                order.total_cents,
                world.CURRENCY,
                order.placed_on.isoformat(),
            ),
        )
        if order.refunded_cents:
            _insert_credit(
                connection,
                order.order_id,
                order.refunded_cents,
                world.CURRENCY,
                "both towels had holes",
                "refunded by hand",
            )
