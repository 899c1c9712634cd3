"""The directory of accounts, in SQLite: names are unique and never given twice, and mail comes before all else."""

import re
import sqlite3
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

from demo.mcp_servers import company
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.identity.records import Account, Accounts, AccountStatus, Disabling, System
from demo.mcp_servers.refusals import Refused

OURS_BEFORE = "before the directory"

TABLES = (
    """CREATE TABLE accounts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE, employee_id TEXT NOT NULL,
        system TEXT NOT NULL, name TEXT NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL,
        bank_details TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE (system, name))""",
    "CREATE UNIQUE INDEX one_active_account ON accounts (employee_id, system) WHERE status = 'active'",
)
VIEWS = {"accounts": "number, employee_id, system, name, reference, status, bank_details, created_at"}


class Directory:
    """Reads and writes accounts; refuses in sentences."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "identity.db", TABLES, VIEWS, _fill)

    def accounts_of(self, employee_id: str, reference: str) -> Accounts:
        """A person's accounts; an empty reference is any."""
        with self._datafile.reading() as connection:
            found = [each for each in _accounts(connection, employee_id) if reference in ("", each.reference)]
        active = sum(each.status is AccountStatus.ACTIVE for each in found)
        return Accounts(employee_id=employee_id, active_count=active, accounts=found)

    def create(
        self, employee_id: str, full_name: str, system: System, bank_details: str, reference: str, key: str
    ) -> Account:
        with self._datafile.writing() as connection:
            known = connection.execute("SELECT * FROM accounts WHERE idempotency_key = ?", (key,)).fetchone()
            if known is not None:
                return _same(known, employee_id, system, bank_details, reference)
            own = [each for each in _accounts(connection, employee_id) if each.status is AccountStatus.ACTIVE]
            _refuse_second(own, system)
            _refuse_unpayable(system, bank_details)
            name = _new_name(connection, full_name) if system is System.MAIL else _mail_name(own, employee_id, system)
            _insert(connection, key, employee_id, system, name, reference, bank_details)
            return _accounts(connection, employee_id)[-1]

    def disable(self, employee_id: str, reference: str) -> Disabling:
        """Disable every account that was created under this reference; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            disabled = connection.execute(
                "UPDATE accounts SET status = 'disabled' WHERE employee_id = ? AND reference = ? AND status = 'active'",
                (employee_id, reference),
            ).rowcount
        return Disabling(employee_id=employee_id, reference=reference, disabled_count=disabled)


def _same(row: sqlite3.Row, employee_id: str, system: System, bank_details: str, reference: str) -> Account:
    asked = (employee_id, system.value, bank_details, reference)
    if (row["employee_id"], row["system"], row["bank_details"], row["reference"]) != asked:
        raise Refused(f"the idempotency key {row['idempotency_key']!r} was used for another account; use a new key")
    return _account(row)


def _refuse_second(own: list[Account], system: System) -> None:
    for account in own:
        if account.system is system:
            raise Refused(f"{account.employee_id} has a {system.value} account already: {account.name!r}")


def _refuse_unpayable(system: System, bank_details: str) -> None:
    if system is System.PAYROLL and not re.fullmatch(r"DOC-[0-9]{1,9}", bank_details):
        raise Refused("no payroll account before bank details: say where they stand in the records, such as DOC-1001")
    if system is not System.PAYROLL and bank_details:
        raise Refused(f"a {system.value} account has nothing to do with bank details; leave them out")


def _mail_name(own: list[Account], employee_id: str, system: System) -> str:
    """Every other account has the name of the mail account."""
    for account in own:
        if account.system is System.MAIL:
            return account.name
    raise Refused(f"no {system.value} account before a mail account; create that of {employee_id} first")


def _new_name(connection: sqlite3.Connection, full_name: str) -> str:
    """`lena.hoffmann`, or `lena.hoffmann2` when somebody has or had that name."""
    plain = unicodedata.normalize("NFKD", full_name).encode("ascii", "ignore").decode().casefold()
    base = ".".join(re.findall(r"[a-z]+", plain))
    if not base:
        raise Refused(f"no account name can be made from {full_name!r}; give the name in Latin letters")
    taken = {row["name"] for row in connection.execute("SELECT name FROM accounts WHERE name LIKE ?", (f"{base}%",))}
    number = 1
    while (name := base if number == 1 else f"{base}{number}") in taken:
        number += 1
    return name


def _insert(
    connection: sqlite3.Connection,
    key: str,
    employee_id: str,
    system: System,
    name: str,
    reference: str,
    bank_details: str,
) -> None:
    connection.execute(
        """INSERT INTO accounts (idempotency_key, employee_id, system, name, reference, status, bank_details,
                                 created_at) VALUES (?, ?, ?, ?, ?, 'active', ?, ?)""",
        (key, employee_id, system.value, name, reference, bank_details, datetime.now(UTC).isoformat()),
    )


def _accounts(connection: sqlite3.Connection, employee_id: str) -> list[Account]:
    rows = connection.execute("SELECT * FROM accounts WHERE employee_id = ? ORDER BY number", (employee_id,))
    return [_account(row) for row in rows]


def _account(row: sqlite3.Row) -> Account:
    named = {name: row[name] for name in Account.model_fields if name != "account_id"}
    return Account(account_id=f"AC-{1000 + row['number']}", **named)


def _fill(connection: sqlite3.Connection) -> None:
    for colleague in company.COLLEAGUES:
        key, name = f"{OURS_BEFORE}: {colleague.employee_id}", colleague.account_name
        _insert(connection, key, colleague.employee_id, System.MAIL, name, OURS_BEFORE, "")
