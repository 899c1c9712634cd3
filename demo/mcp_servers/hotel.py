"""The little hotel the systems agree on when they are first started: guests, rooms, bookings, cards, contacts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Guest:
    email: str
    name: str


@dataclass(frozen=True)
class Room:
    room_number: str
    floor: int
    kind: str
    night_cents: int
    status: str = "clean"


@dataclass(frozen=True)
class Booking:
    booking_number: str
    guest: Guest
    room_number: str
    arrival: date
    departure: date
    status: str
    extras_cents: int = 0
    paid_cents: int = 0


@dataclass(frozen=True)
class Card:
    payment_method_id: str
    holder_email: str
    brand: str
    last_digits: str
    limit_cents: int
    status: str = "active"


@dataclass(frozen=True)
class Prospect:
    """What the sales people hope for: business that is open until it is won or lost."""

    opportunity_id: str
    guest_email: str
    booking_number: str
    title: str
    value_cents: int
    stage: str = "open"


@dataclass(frozen=True)
class Account:
    account_id: str
    name: str
    status: str = "active"


@dataclass(frozen=True)
class KnownContact:
    email: str
    first_name: str
    last_name: str
    phone: str | None
    contact_type: str
    account_id: str | None = None


ELENA = Guest("elena.marchetti@example.com", "Elena Marchetti")
JONAS = Guest("jonas.lindqvist@example.com", "Jonas Lindqvist")
AIKO = Guest("aiko.tanaka@example.com", "Aiko Tanaka")
RUTH = Guest("ruth.abelson@example.com", "Ruth Abelson")
SAMUEL = Guest("samuel.okafor@example.com", "Samuel Okafor")
PETER = Guest("peter.novak@example.com", "Peter Novak")
MAYA = Guest("maya.lindgren@example.com", "Maya Lindgren")
NOOR = Guest("noor.haddad@example.com", "Noor Haddad")

ROOMS = (
    Room("118", 1, "single", 7900),
    Room("119", 1, "single", 7900),
    Room("204", 2, "double", 12900),
    Room("205", 2, "double", 12900, "dirty"),
    Room("207", 2, "double", 12900),
    Room("208", 2, "double", 12900),
    Room("209", 2, "double", 12900),
    Room("305", 3, "suite", 24500),
    Room("401", 4, "double", 14900),
    Room("402", 4, "double", 14900),
    Room("403", 4, "double", 14900, "out_of_order"),
)

CARDS = (
    Card("PM-elena-visa", ELENA.email, "visa", "4242", 500_000),
    Card("PM-elena-old", ELENA.email, "visa", "1881", 500_000, "expired"),
    Card("PM-elena-debit", ELENA.email, "maestro", "3005", 10_000),
    Card("PM-jonas-amex", JONAS.email, "amex", "0005", 1_000_000),
    Card("PM-aiko-visa", AIKO.email, "visa", "5556", 400_000),
    Card("PM-ruth-mastercard", RUTH.email, "mastercard", "4444", 200_000),
)

PROSPECTS = (
    Prospect("OP-71", ELENA.email, "B-2041", "Stay in November, perhaps one more in spring", 45_050),
    Prospect("OP-72", JONAS.email, "B-2042", "Long stay, company rate to be agreed", 280_000),
    Prospect("OP-65", ELENA.email, "B-1987", "First stay", 25_800, "won"),
)

ACCOUNTS = (
    Account("AC-100", "Lindqvist Shipping AB"),
    Account("AC-101", "Nordwind Travel"),
    Account("AC-102", "Old Harbour Events", "closed"),
)

KNOWN_CONTACTS = (
    KnownContact(ELENA.email, "Elena", "Marchetti", "+390612345678", "guest"),
    KnownContact(JONAS.email, "Jonas", "Lindqvist", None, "corporate", "AC-100"),
    KnownContact("ines.duarte@nordwind.example.com", "Ines", "Duarte", "+351210000111", "travel_agent", "AC-101"),
)


def bookings(as_of: date) -> Iterator[Booking]:
    """Every booking at first start, dated from then; most guests in house neither came nor leave today.

    Of those who are expected, one comes tomorrow, one should have come yesterday, and one never came at all.
    """

    def day(days: int) -> date:
        return as_of + timedelta(days=days)

    yield Booking("B-1987", ELENA, "204", day(-371), day(-369), "checked_out", 0, 25_800)
    yield Booking("B-2041", ELENA, "204", day(-3), day(0), "in_house", 6_350)
    yield Booking("B-2042", JONAS, "305", day(-10), day(2), "in_house", 18_400, 100_000)
    yield Booking("B-2043", AIKO, "118", day(-45), day(-5), "in_house")
    yield Booking("B-2044", RUTH, "401", day(-2), day(1), "in_house")
    yield Booking("B-2045", RUTH, "402", day(-2), day(1), "in_house")
    yield Booking("B-2046", PETER, "205", day(-1), day(3), "cancelled")
    yield Booking("B-2050", SAMUEL, "207", day(0), day(4), "booked")
    yield Booking("B-2051", MAYA, "208", day(1), day(3), "booked")
    yield Booking("B-2052", NOOR, "209", day(-1), day(2), "booked")
    yield Booking("B-2053", PETER, "205", day(0), day(2), "booked")
    yield Booking("B-2054", MAYA, "204", day(-9), day(-7), "booked")
