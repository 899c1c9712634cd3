"""The outbox: every mail that was sent, and its idempotency key, in SQLite."""

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from demo.mcp_servers import world
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.mail import confirmations
from demo.mcp_servers.mail.records import (
    Confirmation,
    Mail,
    MailBox,
    ResolutionConfirmed,
    ResolutionsConfirmed,
    SentMail,
)
from demo.mcp_servers.refusals import Refused

FILE_NAME = "mail.db"
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+")

TABLES = (
    """CREATE TABLE mails (
        number INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE,
        recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, sent_at TEXT NOT NULL)""",
    "CREATE INDEX mails_by_recipient ON mails (recipient)",
    *confirmations.TABLES,
)

VIEWS = {"mails": "number, recipient, subject, body, sent_at", **confirmations.VIEWS}


class Outbox:
    """Remembers mails; refuses in sentences."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    @classmethod
    def open(cls, folder: Path) -> "Outbox":
        return cls(DataFile.create(folder / FILE_NAME, TABLES, VIEWS, _fill))

    @classmethod
    def open_existing(cls, folder: Path) -> "Outbox":
        return cls(DataFile.existing(folder / FILE_NAME, VIEWS))

    def send(self, to: str, subject: str, body: str, key: str) -> SentMail:
        recipient = _recipient(to)
        if any(not character.isprintable() for character in subject):
            raise Refused(f"the subject {subject!r} has a line break or control character; write it on one line")
        with self._datafile.writing() as connection:
            return _send(connection, recipient, subject, body, key)

    def confirm_refund(self, order_id: str, cents: int, key: str) -> Confirmation:
        customer = _who_ordered(order_id)
        if customer.email is None:
            return Confirmation(order_id=order_id, sent=False)
        sent = self.send(customer.email, *_letter(customer, order_id, cents), key)
        return Confirmation(order_id=order_id, sent=True, mail_id=sent.mail_id)

    def confirm_resolution(
        self, order_id: str, ticket: str, outcome: str, cents: int, page_id: str, reference: str, key: str
    ) -> ResolutionConfirmed:
        """Tell whoever placed an order what became of their ticket; without an address that is only kept."""
        customer = _who_ordered(order_id)
        subject, body = confirmations.letter(customer, order_id, ticket, outcome, cents, page_id)
        asked = ResolutionConfirmed(
            reference=reference,
            order_id=order_id,
            ticket=ticket,
            outcome=outcome,
            cents=cents,
            page_id=page_id,
            sent=False,
        )
        with self._datafile.writing() as connection:
            if (confirmed := confirmations.known(connection, key, asked)) is not None:
                return confirmed
            if customer.email is not None:
                sent = _send(connection, _recipient(customer.email), subject, body, key)
                asked = asked.model_copy(update={"sent": True, "mail_id": sent.mail_id})
            confirmations.remember(connection, key, asked)
            return asked

    def confirmed(self, reference: str) -> ResolutionsConfirmed:
        with self._datafile.reading() as connection:
            return confirmations.of_matter(connection, reference)

    def sent_to(self, to: str) -> MailBox:
        recipient = _recipient(to)
        with self._datafile.reading() as connection:
            rows = connection.execute("SELECT * FROM mails WHERE recipient = ? ORDER BY number", (recipient,))
            mails = [_mail(row) for row in rows]
        return MailBox(to=recipient, count=len(mails), mails=mails)


def _who_ordered(order_id: str) -> world.Customer:
    for order in world.orders(world.today()):
        if order.order_id == order_id:
            return next(known for known in world.CUSTOMERS if known.customer_id == order.customer_id)
    raise Refused(f"there is no order {order_id!r}; look its number up in the orders system")


def _letter(customer: world.Customer, order_id: str, cents: int) -> tuple[str, str]:
    amount = f"{cents / 100:.2f} {world.CURRENCY}"
    words = f"Dear {customer.name}, we have returned {amount} for order {order_id}."
    return f"Your refund for order {order_id}", words


def _recipient(to: str) -> str:
    address = to.strip().lower()
    if not _ADDRESS.fullmatch(address):
        raise Refused(f"{to!r} is not an e-mail address; give a single one, such as dana@example.com")
    return address


def _send(connection: sqlite3.Connection, recipient: str, subject: str, body: str, key: str) -> SentMail:
    row = connection.execute("SELECT * FROM mails WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        row = _insert(connection, key, recipient, subject, body)
    elif (row["recipient"], row["subject"], row["body"]) != (recipient, subject, body):
        raise Refused(f"the idempotency key {key!r} was used for another mail; a new mail needs a new key")
    return SentMail(**_mail(row).model_dump(exclude={"body"}))


def _insert(connection: sqlite3.Connection, key: str, recipient: str, subject: str, body: str) -> sqlite3.Row:
    sent_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    inserted = connection.execute(
        "INSERT INTO mails (idempotency_key, recipient, subject, body, sent_at) VALUES (?, ?, ?, ?, ?)",
        (key, recipient, subject, body, sent_at),
    )
    row: sqlite3.Row = connection.execute("SELECT * FROM mails WHERE number = ?", (inserted.lastrowid,)).fetchone()
    return row


def _mail(row: sqlite3.Row) -> Mail:
    return Mail(mail_id=f"M-{1000 + row['number']}", to=row["recipient"], **row)


def _fill(connection: sqlite3.Connection) -> None:
    refunded = next(order for order in world.orders(world.today()) if order.refunded_cents)
    customer = _who_ordered(refunded.order_id)
    letter = _letter(customer, refunded.order_id, refunded.refunded_cents)
    _insert(connection, f"by-hand-{refunded.order_id}", customer.email or "", *letter)
