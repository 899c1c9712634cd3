"""Payments for stays: reserved on a guest's card, captured when the stay is over, voided or refunded when it is not."""

import json
import sqlite3
from typing import Literal

from demo.mcp_servers import hotel
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.payments import records
from demo.mcp_servers.payments.answers import answered, remember
from demo.mcp_servers.payments.records import Authorisation, AuthorisationStatus, Release
from demo.mcp_servers.refusals import Refused

AUTHORISED, CAPTURED = AuthorisationStatus.AUTHORISED, AuthorisationStatus.CAPTURED
VOIDED, REFUNDED = AuthorisationStatus.VOIDED, AuthorisationStatus.REFUNDED
STANDING = (AUTHORISED, CAPTURED)
SAME_FOR_A_TOKEN = ("booking_number", "guest_email", "cents", "currency", "payment_method_id")

TABLES = (
    """CREATE TABLE cards (
        payment_method_id TEXT PRIMARY KEY, holder_email TEXT NOT NULL, brand TEXT NOT NULL, last_digits TEXT NOT NULL,
        limit_cents INTEGER NOT NULL, status TEXT NOT NULL)""",
    """CREATE TABLE authorisations (
        number INTEGER PRIMARY KEY AUTOINCREMENT, booking_number TEXT NOT NULL, guest_email TEXT NOT NULL,
        cents INTEGER NOT NULL, currency TEXT NOT NULL, payment_method_id TEXT NOT NULL REFERENCES cards,
        client_token TEXT NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL)""",
    """CREATE UNIQUE INDEX one_payment_of_a_booking ON authorisations (booking_number)
        WHERE status IN ('authorised', 'captured')""",
    "CREATE INDEX authorisations_of_token ON authorisations (client_token)",
)

# Nobody reads the cards: what is on them is between the guest and whoever issued them.
VIEWS = {
    "authorisations": "number, booking_number, guest_email, cents, currency, payment_method_id, client_token, "
    "reference, status",
}


class Authorisations:
    """Reads and writes authorisations, one transaction per effect; refuses in sentences."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    def of(self, booking_number: str) -> records.Authorisations:
        with self._datafile.reading() as connection:
            every = _found(connection, "booking_number", booking_number)
        return records.Authorisations(
            booking_number=booking_number,
            count=sum(each.status in STANDING for each in every),
            authorised_cents=_sum(every, AuthorisationStatus.AUTHORISED),
            captured_cents=_sum(every, AuthorisationStatus.CAPTURED),
            authorisations=every,
        )

    def numbered(self, authorisation_id: str) -> records.StayPayments:
        """The payment of this number, if there is one."""
        with self._datafile.reading() as connection:
            found = _numbered(connection, authorisation_id)
        return records.StayPayments(authorisation_id=authorisation_id, count=len(found), payments=found)

    def authorise(
        self,
        booking_number: str,
        guest_email: str,
        cents: int,
        currency: str,
        payment_method_id: str,
        client_token: str,
        reference: str,
        key: str,
    ) -> Authorisation:
        """Reserve an amount, once per key, per booking and per token."""
        asked = (booking_number, guest_email.strip().lower(), cents, currency, payment_method_id)
        request = json.dumps(["authorise", *asked, client_token, reference])
        with self._datafile.writing() as connection:
            known = answered(connection, key, request, Authorisation)
            if known is not None:
                return known
            _refuse_token(_found(connection, "client_token", client_token), asked)
            _refuse_second(_found(connection, "booking_number", booking_number))
            _refuse_card(connection, payment_method_id, guest_email.strip().lower(), cents)
            connection.execute(
                """INSERT INTO authorisations (booking_number, guest_email, cents, currency, payment_method_id,
                       client_token, reference, status) VALUES (?, ?, ?, ?, ?, ?, ?, 'authorised')""",
                (*asked, client_token, reference),
            )
            made = _found(connection, "booking_number", booking_number)[-1]
            remember(connection, key, request, made)
            return made

    def capture(self, booking_number: str, reference: str, key: str) -> Authorisation:
        """Take what is reserved under this reference, once."""
        request = json.dumps(["capture", booking_number, reference])
        with self._datafile.writing() as connection:
            known = answered(connection, key, request, Authorisation)
            if known is not None:
                return known
            own = _own(connection, booking_number, reference)
            if not own or own[-1].status not in STANDING:
                raise Refused(f"nothing is reserved for booking {booking_number!r} by {reference!r}; authorise first")
            _move(connection, booking_number, reference, "authorised", "captured")
            taken = _own(connection, booking_number, reference)[-1]
            remember(connection, key, request, taken)
            return taken

    def void(self, booking_number: str, reference: str, key: str) -> Release:
        """Give up what is reserved; what was captured is refunded instead."""
        with self._datafile.writing() as connection:
            captured = [each for each in _own(connection, booking_number, reference) if _is_captured(each)]
            if captured:
                raise Refused(f"{captured[-1].authorisation_id} was captured; a captured payment is refunded")
            return _released(connection, "authorised", "voided", booking_number, reference, key)

    def refund(self, booking_number: str, reference: str, key: str) -> Release:
        """Give back what was captured."""
        with self._datafile.writing() as connection:
            return _released(connection, "captured", "refunded", booking_number, reference, key)

    def give_up(self, authorisation_id: str, reason: str, reference: str, key: str) -> Authorisation:
        """Give up what is reserved by whomever; what was captured is given back instead."""
        with self._datafile.writing() as connection:
            return _corrected(connection, authorisation_id, (AUTHORISED, VOIDED), None, reason, reference, key)

    def give_back(self, authorisation_id: str, cents: int, reason: str, reference: str, key: str) -> Authorisation:
        """Give back all that was captured by whomever."""
        with self._datafile.writing() as connection:
            return _corrected(connection, authorisation_id, (CAPTURED, REFUNDED), cents, reason, reference, key)


def _corrected(
    connection: sqlite3.Connection,
    authorisation_id: str,
    moves: tuple[AuthorisationStatus, AuthorisationStatus],
    cents: int | None,
    reason: str,
    reference: str,
    key: str,
) -> Authorisation:
    """Move a payment that another has made. It has moved by itself already: then nothing is left to do."""
    before, after = moves
    request = json.dumps([after, authorisation_id, cents, reason, reference])
    known = answered(connection, key, request, Authorisation)
    if known is not None:
        return known
    found = _numbered(connection, authorisation_id)
    if not found:
        raise Refused(f"there is no payment {authorisation_id!r}; look at those of the booking")
    if found[0].status in STANDING and found[0].status is not before:
        raise Refused(f"{authorisation_id} is {found[0].status.value}, not {before.value}; look at it again")
    if cents not in (None, found[0].cents):
        raise Refused(f"{authorisation_id} is a payment of {found[0].cents} cents; it is given back whole")
    connection.execute(
        "UPDATE authorisations SET status = ? WHERE number = ? AND status = ?",
        (after.value, _number(authorisation_id), before.value),
    )
    moved = _numbered(connection, authorisation_id)[0]
    remember(connection, key, request, moved)
    return moved


def _released(
    connection: sqlite3.Connection,
    before: Literal["authorised", "captured"],
    after: Literal["voided", "refunded"],
    booking_number: str,
    reference: str,
    key: str,
) -> Release:
    request = json.dumps([after, booking_number, reference])
    known = answered(connection, key, request, Release)
    if known is not None:
        return known
    standing = [each.cents for each in _own(connection, booking_number, reference) if each.status == before]
    _move(connection, booking_number, reference, before, after)
    release = Release(booking_number=booking_number, reference=reference, released_cents=sum(standing))
    # A release that found nothing is not remembered: the payment may still be on its way.
    if standing:
        remember(connection, key, request, release)
    return release


def _refuse_token(earlier: list[Authorisation], asked: tuple[object, ...]) -> None:
    """A token that was used stands for those parameters; the difference is named, the values are not."""
    for each in earlier:
        differing = [name for name, value in zip(SAME_FOR_A_TOKEN, asked, strict=True) if getattr(each, name) != value]
        if differing:
            raise Refused(
                f"{', '.join(differing)} differ from the payment that token {each.client_token!r} was used for"
            )


def _refuse_second(of_booking: list[Authorisation]) -> None:
    for each in of_booking:
        if each.status in STANDING:
            raise Refused(f"booking {each.booking_number!r} is {each.status.value} already, for {each.reference!r}")


def _refuse_card(connection: sqlite3.Connection, payment_method_id: str, guest_email: str, cents: int) -> None:
    row = connection.execute("SELECT * FROM cards WHERE payment_method_id = ?", (payment_method_id,)).fetchone()
    if row is None or row["holder_email"] != guest_email:
        raise Refused(f"the guest has no card {payment_method_id!r} on file; ask for another")
    if row["status"] != "active":
        raise Refused(f"the card {payment_method_id!r} is {row['status']}; ask for another")
    reserved = connection.execute(
        "SELECT coalesce(sum(cents), 0) FROM authorisations WHERE payment_method_id = ? AND status = 'authorised'",
        (payment_method_id,),
    ).fetchone()[0]
    if cents > row["limit_cents"] - reserved:
        raise Refused(f"the card {payment_method_id!r} was declined: the amount is over its limit")


def _is_captured(each: Authorisation) -> bool:
    return each.status is AuthorisationStatus.CAPTURED


def _sum(every: list[Authorisation], status: AuthorisationStatus) -> int:
    return sum(each.cents for each in every if each.status is status)


def _own(connection: sqlite3.Connection, booking_number: str, reference: str) -> list[Authorisation]:
    return [each for each in _found(connection, "booking_number", booking_number) if each.reference == reference]


def _found(
    connection: sqlite3.Connection, column: Literal["booking_number", "client_token"], value: str
) -> list[Authorisation]:
    rows = connection.execute(
        f"SELECT * FROM authorisations WHERE {column} = ? ORDER BY number",  # noqa: S608 - the names are ours
        (value,),
    )
    return [Authorisation(authorisation_id=f"AU-{1000 + row['number']}", **row) for row in rows]


def _numbered(connection: sqlite3.Connection, authorisation_id: str) -> list[Authorisation]:
    rows = connection.execute("SELECT * FROM authorisations WHERE number = ?", (_number(authorisation_id),))
    return [Authorisation(authorisation_id=authorisation_id, **row) for row in rows]


def _number(authorisation_id: str) -> int:
    prefix, _, digits = authorisation_id.partition("-")
    return int(digits) - 1000 if prefix == "AU" and digits.isdecimal() and len(digits) < 16 else 0


def _move(connection: sqlite3.Connection, booking_number: str, reference: str, before: str, after: str) -> None:
    connection.execute(
        "UPDATE authorisations SET status = ? WHERE booking_number = ? AND reference = ? AND status = ?",
        (after, booking_number, reference, before),
    )


def fill(connection: sqlite3.Connection) -> None:
    """The cards that guests have left with the provider."""
    connection.executemany(
        "INSERT INTO cards VALUES (?, ?, ?, ?, ?, ?)",
        [
            (card.payment_method_id, card.holder_email, card.brand, card.last_digits, card.limit_cents, card.status)
            for card in hotel.CARDS
        ],
    )
