"""The contacts of the customer file: people and their accounts, each kept as it was before its last change."""

import json
import re
import sqlite3

from demo.mcp_servers import hotel
from demo.mcp_servers.crm.records import Account, Accounts, Contact, Contacts, ContactType
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused

CONTENT = ("first_name", "last_name", "phone", "contact_type", "account_id")
"""What of a contact can be changed."""
OF_AN_ACCOUNT = (ContactType.CORPORATE, ContactType.TRAVEL_AGENT)
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")

TABLES = (
    "CREATE TABLE accounts (account_id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL)",
    """CREATE TABLE contacts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE COLLATE NOCASE, first_name TEXT NOT NULL,
        last_name TEXT NOT NULL, phone TEXT, contact_type TEXT NOT NULL, account_id TEXT REFERENCES accounts,
        changed_by TEXT, before TEXT)""",
)
VIEWS = {
    "accounts": "account_id, name, status",
    "contacts": "number, email, first_name, last_name, phone, contact_type, account_id, changed_by",
}


class ContactFile:
    """Reads and writes contacts; refuses in sentences. Every change names its caller's own reference."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    def contacts(self, email: str) -> Contacts:
        with self._datafile.reading() as connection:
            found = _contact(connection, email)
        return Contacts(email=email, count=int(found is not None), contacts=[found] if found else [])

    def accounts(self, account_id: str) -> Accounts:
        with self._datafile.reading() as connection:
            found = _account(connection, account_id)
        return Accounts(account_id=account_id, count=int(found is not None), accounts=[found] if found else [])

    def upsert(self, email: str, wanted: dict[str, str], reference: str) -> Contact:
        """Make the contact so: a phone or an account that is not given stays as it is. Repeated it changes nothing."""
        with self._datafile.writing() as connection:
            standing = _contact(connection, email)
            content = _content(standing) | {name: value for name, value in wanted.items() if value}
            if standing is None or standing.changed_by != reference or _content(standing) != content:
                _refuse(connection, standing, content)
                _write(connection, email.strip(), content, reference, standing)
            return _known(connection, email)

    def restore(self, email: str, reference: str) -> Contacts:
        """Take back this caller's change, if it is the last one; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            row = connection.execute("SELECT * FROM contacts WHERE email = ?", (email.strip(),)).fetchone()
            if row is not None and row["changed_by"] == reference:
                _put_back(connection, row)
        return self.contacts(email)


def _refuse(connection: sqlite3.Connection, standing: Contact | None, content: dict[str, str | None]) -> None:
    kind, account_id = ContactType(content["contact_type"] or ""), content.get("account_id")
    if content.get("phone") and not PHONE.fullmatch(content["phone"] or ""):
        raise Refused(f"the phone {content['phone']!r} is no number in international form, such as +4930123456")
    if kind in OF_AN_ACCOUNT and not account_id:
        raise Refused(f"a contact of type {kind.value} belongs to an account; give its account_id")
    if standing and standing.account_id and standing.account_id != account_id:
        raise Refused(f"the contact belongs to account {standing.account_id!r}; have sales move it first")
    account = _account(connection, account_id) if account_id else None
    if account_id and account is None:
        raise Refused(f"there is no account {account_id!r}; look it up, or have sales open it")
    if account is not None and account.status != "active":
        raise Refused(f"account {account.account_id!r} is {account.status}; nobody is added to it")


def _write(
    connection: sqlite3.Connection, email: str, content: dict[str, str | None], reference: str, standing: Contact | None
) -> None:
    if standing is not None and standing.changed_by == reference:  # what was before is kept from the first change
        before = connection.execute("SELECT before FROM contacts WHERE email = ?", (email,)).fetchone()["before"]
    else:
        before = json.dumps(_content(standing) | {"changed_by": standing.changed_by}) if standing else None
    connection.execute(
        """INSERT INTO contacts (email, first_name, last_name, phone, contact_type, account_id, changed_by, before)
           VALUES (:email, :first_name, :last_name, :phone, :contact_type, :account_id, :changed_by, :before)
           ON CONFLICT (email) DO UPDATE SET first_name = :first_name, last_name = :last_name, phone = :phone,
               contact_type = :contact_type, account_id = :account_id, changed_by = :changed_by, before = :before""",
        {"phone": None, "account_id": None} | content | {"email": email, "changed_by": reference, "before": before},
    )


def _put_back(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["before"] is None:
        connection.execute("DELETE FROM contacts WHERE number = ?", (row["number"],))
        return
    connection.execute(
        """UPDATE contacts SET first_name = :first_name, last_name = :last_name, phone = :phone,
               contact_type = :contact_type, account_id = :account_id, changed_by = :changed_by, before = NULL
           WHERE number = :number""",
        json.loads(row["before"]) | {"number": row["number"]},
    )


def _content(standing: Contact | None) -> dict[str, str | None]:
    return standing.model_dump(mode="json", include=set(CONTENT)) if standing else {}


def _known(connection: sqlite3.Connection, email: str) -> Contact:
    found = _contact(connection, email)
    assert found is not None  # it was written in this transaction
    return found


def _contact(connection: sqlite3.Connection, email: str) -> Contact | None:
    row = connection.execute("SELECT * FROM contacts WHERE email = ?", (email.strip(),)).fetchone()
    return None if row is None else Contact(contact_id=f"CT-{100 + row['number']}", **row)


def _account(connection: sqlite3.Connection, account_id: str) -> Account | None:
    row = connection.execute("SELECT * FROM accounts WHERE account_id = ?", (account_id,)).fetchone()
    return None if row is None else Account(**row)


def fill(connection: sqlite3.Connection) -> None:
    """Whom the sales people knew before the customer file was first started."""
    connection.executemany(
        "INSERT INTO accounts VALUES (?, ?, ?)", [(each.account_id, each.name, each.status) for each in hotel.ACCOUNTS]
    )
    connection.executemany(
        """INSERT INTO contacts (email, first_name, last_name, phone, contact_type, account_id)
           VALUES (?, ?, ?, ?, ?, ?)""",
        [
            (known.email, known.first_name, known.last_name, known.phone, known.contact_type, known.account_id)
            for known in hotel.KNOWN_CONTACTS
        ],
    )
