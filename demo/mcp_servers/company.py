"""The little company the systems agree on when they are first started: who is to join, and what they have handed in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MONDAY = 0


@dataclass(frozen=True)
class Joiner:
    """Somebody with an agreed first day."""

    employee_id: str
    full_name: str
    e_mail: str
    job_title: str
    department: str
    line_manager: str
    first_day: date


@dataclass(frozen=True)
class HandedIn:
    """A paper that stood in the records before anybody asked for it."""

    employee_id: str
    kind: str
    file_name: str
    content: bytes


@dataclass(frozen=True)
class Colleague:
    """Somebody who is there already, and whose account names are taken."""

    employee_id: str
    full_name: str
    account_name: str


COLLEAGUES = (
    Colleague("E-1877", "Lena Hoffmann", "lena.hoffmann"),
    Colleague("E-1902", "Grace Mwangi", "grace.mwangi"),
)

HANDED_IN = (
    HandedIn("E-2042", "contract", "contract-zielinski.pdf", b"Employment contract, Tomasz Zielinski, signed twice"),
    HandedIn("E-2042", "identity", "dowod-zielinski.png", b"Identity card, Tomasz Zielinski"),
    HandedIn("E-2043", "contract", "contract-okafor.pdf", b"Employment contract, Ngozi Okafor, signed twice"),
    HandedIn("E-2043", "identity", "passport-okafor.png", b"Passport, Ngozi Okafor"),
    HandedIn("E-2043", "tax_form", "tax-okafor.pdf", b"Tax form, Ngozi Okafor, class 1"),
    HandedIn("E-2043", "bank_details", "bank-okafor.pdf", b"Bank details, Ngozi Okafor, DE02 1203 0000 0000 2020 51"),
)


def joiners(as_of: date) -> Iterator[Joiner]:
    """Everybody who is to join, at first start; first days are Mondays, some weeks from then."""

    def monday(days: int) -> date:
        earliest = as_of + timedelta(days=days)
        return earliest + timedelta(days=(MONDAY - earliest.weekday()) % 7)

    def joiner(number: str, name: str, title: str, department: str, manager: str, first_day: date) -> Joiner:
        mail = f"{name.split()[0].lower()}@private.example.net"
        return Joiner(number, name, mail, title, department, manager, first_day)

    yield joiner("E-2041", "Lena Hoffmann", "software engineer", "platform", "Marcus Adeyemi", monday(28))
    yield joiner("E-2042", "Tomasz Zielinski", "account executive", "sales", "Grace Mwangi", monday(21))
    yield joiner("E-2043", "Ngozi Okafor", "financial controller", "finance", "Fiona Walsh", monday(14))
    yield joiner("E-2044", "Amara Diallo", "site reliability engineer", "platform", "Marcus Adeyemi", monday(-14))
