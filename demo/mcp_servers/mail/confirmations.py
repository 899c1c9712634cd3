"""What customers were told about their tickets: in this service's own words, once for each key."""

import sqlite3

from demo.mcp_servers import world
from demo.mcp_servers.documentation.pages import title_of
from demo.mcp_servers.mail.records import ResolutionConfirmed, ResolutionsConfirmed
from demo.mcp_servers.refusals import Refused

TABLES = (
    """CREATE TABLE confirmations (
        number INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE, reference TEXT NOT NULL,
        order_id TEXT NOT NULL, ticket TEXT NOT NULL, outcome TEXT NOT NULL, cents INTEGER NOT NULL,
        page_id TEXT NOT NULL, mail_id TEXT)""",
    "CREATE INDEX confirmations_of_reference ON confirmations (reference)",
)
VIEWS = {"confirmations": "number, reference, order_id, ticket, outcome, cents, page_id, mail_id"}


def letter(customer: world.Customer, order_id: str, ticket: str, outcome: str, cents: int, page_id: str) -> list[str]:
    """Subject and body. The caller chooses the outcome, never a word."""
    title = title_of(page_id)
    if title is None and (page_id or outcome != "declined"):
        raise Refused(f"the documentation has no page {page_id!r}; name the rule that the answer rests on")
    amount = f"{cents / 100:.2f} {world.CURRENCY}"
    said = {
        "explained": f"we have looked into it. Our rule is called {title!r}, and you find it on our pages.",
        "credited": f"we have credited {amount} to the card you paid with. Our rule is called {title!r}.",
        "replaced": "we send you the item once more, free of charge.",
        "declined": "we have looked into it, and cannot do what you asked for. Please call us if you disagree.",
    }[outcome]
    return [f"Your ticket {ticket}", f"Dear {customer.name},\n\nyou asked us about order {order_id}: {said}\n"]


def known(connection: sqlite3.Connection, key: str, asked: ResolutionConfirmed) -> ResolutionConfirmed | None:
    """What was confirmed under this key; None when nothing was. Refuses a key that was used for something else."""
    row = connection.execute("SELECT * FROM confirmations WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        return None
    confirmed = _confirmed(row)
    if confirmed.model_copy(update={"sent": asked.sent, "mail_id": asked.mail_id}) != asked:
        raise Refused(f"the idempotency key {key!r} was used for another confirmation; a new one needs a new key")
    return confirmed


def remember(connection: sqlite3.Connection, key: str, confirmed: ResolutionConfirmed) -> None:
    kept = confirmed.model_dump(exclude={"sent"}) | {"key": key}
    connection.execute(
        """INSERT INTO confirmations
           VALUES (NULL, :key, :reference, :order_id, :ticket, :outcome, :cents, :page_id, :mail_id)""",
        kept,
    )


def of_matter(connection: sqlite3.Connection, reference: str) -> ResolutionsConfirmed:
    rows = connection.execute("SELECT * FROM confirmations WHERE reference = ? ORDER BY number", (reference,))
    found = [_confirmed(row) for row in rows]
    return ResolutionsConfirmed(reference=reference, count=len(found), confirmations=found)


def _confirmed(row: sqlite3.Row) -> ResolutionConfirmed:
    kept = {name: row[name] for name in ResolutionConfirmed.model_fields if name != "sent"}
    return ResolutionConfirmed(sent=row["mail_id"] is not None, **kept)
