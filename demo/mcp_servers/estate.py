"""What the operations people look after when their systems are first started: services, credentials, datasets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    service: str
    team: str
    instances: int
    version: str


@dataclass(frozen=True)
class Version:
    service: str
    version: str
    status: str = "released"
    error_permille: int = 1
    full_load_permille: int = 1
    """Of a thousand calls, how many fail once every instance runs it."""
    notes: str = ""


@dataclass(frozen=True)
class Credential:
    credential: str
    purpose: str
    version: int
    consumers: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    dataset: str
    title: str
    owner: str
    kind: str
    row_count: int
    days_unused: int
    legal_hold: str | None = None


SERVICES = (
    Service("checkout-api", "payments", 12, "2.14.3"),
    Service("pricing", "catalogue", 6, "5.2.0"),
    Service("ledger-writer", "payments", 4, "1.9.4"),
)

VERSIONS = (
    Version("checkout-api", "2.14.2", "withdrawn", 9, 9, "double charges on retry"),
    Version("checkout-api", "2.14.3"),
    Version("checkout-api", "2.15.0", notes="new basket rules"),
    Version("checkout-api", "2.15.1", full_load_permille=84, notes="connection pool of two for each instance"),
    Version("checkout-api", "2.15.2", error_permille=140, full_load_permille=140, notes="reads a table that is gone"),
    Version("checkout-api", "2.16.0", "candidate", notes="not signed off yet"),
    Version("pricing", "5.2.0"),
    Version("pricing", "5.3.0", notes="rounding per line"),
    Version("ledger-writer", "1.9.4"),
    Version("ledger-writer", "1.9.5"),
)

CREDENTIALS = (
    Credential("payments-gateway-key", "charges at the payment gateway", 7, ("checkout-api", "ledger-writer")),
    Credential("warehouse-sftp", "price lists from the warehouse", 3, ("pricing",)),
    Credential("legacy-fax", "a fax gateway that nobody calls any more", 1, ()),
)

DATASETS = (
    Dataset("newsletter-2019", "Newsletter sign-ups of 2019", "marketing", "personal", 48_210, 412),
    Dataset("orders-2016", "Orders of 2016 with addresses", "finance", "business", 190_455, 630, "LH-2031, tax audit"),
    Dataset("clickstream-2021", "Clicks in the shop, 2021", "product", "telemetry", 9_481_002, 97),
)
