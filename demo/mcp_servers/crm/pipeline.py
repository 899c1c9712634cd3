"""The opportunities of the customer file: business that is hoped for, and closed when it is won or lost."""

import sqlite3

from demo.mcp_servers import hotel
from demo.mcp_servers.crm.records import Opportunities, Opportunity, Stage
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused

TABLES = (
    """CREATE TABLE opportunities (
        opportunity_id TEXT PRIMARY KEY, guest_email TEXT NOT NULL COLLATE NOCASE, booking_number TEXT NOT NULL,
        title TEXT NOT NULL, value_cents INTEGER NOT NULL, stage TEXT NOT NULL, closed_by TEXT)""",
)

VIEWS = {"opportunities": "opportunity_id, guest_email, booking_number, title, value_cents, stage, closed_by"}


class Pipeline:
    """Reads and writes opportunities; refuses in sentences."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    def of_guest(self, guest_email: str, booking_number: str, closed_by: str = "") -> Opportunities:
        with self._datafile.reading() as connection:
            rows = connection.execute(
                """SELECT * FROM opportunities WHERE guest_email = ?1 AND ?2 IN ('', booking_number)
                       AND ?3 IN ('', coalesce(closed_by, ''))
                   ORDER BY stage <> 'open', opportunity_id DESC""",
                (guest_email.strip(), booking_number, closed_by),
            )
            found = [Opportunity(**row) for row in rows]
        return Opportunities(guest_email=guest_email, count=len(found), opportunities=found)

    def close(self, opportunity_id: str, reference: str) -> Opportunity:
        with self._datafile.writing() as connection:
            found = _opportunity(connection, opportunity_id)
            if found.closed_by != reference:
                if found.stage is not Stage.OPEN:
                    raise Refused(f"opportunity {opportunity_id!r} is {found.stage.value} already; reopen it first")
                _change(connection, opportunity_id, "won", reference)
            return _opportunity(connection, opportunity_id)

    def reopen(self, opportunity_id: str, reference: str) -> Opportunity:
        """Take back this caller's closing; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            if _opportunity(connection, opportunity_id).closed_by == reference:
                _change(connection, opportunity_id, "open", None)
            return _opportunity(connection, opportunity_id)


def _opportunity(connection: sqlite3.Connection, opportunity_id: str) -> Opportunity:
    row = connection.execute("SELECT * FROM opportunities WHERE opportunity_id = ?", (opportunity_id,)).fetchone()
    if row is None:
        raise Refused(f"there is no opportunity {opportunity_id!r}; list those of the guest")
    return Opportunity(**row)


def _change(connection: sqlite3.Connection, opportunity_id: str, stage: str, closed_by: str | None) -> None:
    connection.execute(
        "UPDATE opportunities SET stage = ?, closed_by = ? WHERE opportunity_id = ?", (stage, closed_by, opportunity_id)
    )


def fill(connection: sqlite3.Connection) -> None:
    """What was hoped for before the customer file was first started."""
    connection.executemany(
        "INSERT INTO opportunities VALUES (?, ?, ?, ?, ?, ?, NULL)",
        [
            (each.opportunity_id, each.guest_email, each.booking_number, each.title, each.value_cents, each.stage)
            for each in hotel.PROSPECTS
        ],
    )
