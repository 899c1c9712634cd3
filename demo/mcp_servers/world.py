"""The little world the four systems agree on when they are first started: customers and orders."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

CURRENCY = "EUR"
LONG_HISTORY_CUSTOMER = "C-42"
LONG_HISTORY_ORDERS = 1_800


@dataclass(frozen=True)
class Customer:
    customer_id: str
    name: str
    email: str | None
    city: str
    customer_since: date


@dataclass(frozen=True)
class Item:
    sku: str
    name: str
    unit_price_cents: int
    quantity: int = 1


@dataclass(frozen=True)
class Order:
    order_id: str
    customer_id: str
    status: str
    items: tuple[Item, ...]
    placed_on: date
    promised_by: date
    delivered_on: date | None = None
    refunded_cents: int = 0

    @property
    def total_cents(self) -> int:
        return sum(item.quantity * item.unit_price_cents for item in self.items)


CUSTOMERS = (
    Customer("C-7", "Dana Reeves", "dana.reeves@example.com", "Rotterdam", date(2021, 3, 14)),
    Customer("C-8", "Marek Novotny", "marek.novotny@example.com", "Brno", date(2019, 9, 2)),
    Customer("C-9", "Ingrid Solberg", "ingrid@cafe-solberg.example.com", "Bergen", date(2020, 1, 27)),
    Customer("C-10", "Tomas Ferreira", "tomas.ferreira@example.com", "Porto", date(2022, 6, 8)),
    Customer("C-11", "Priya Raman", "priya.raman@example.com", "Leeds", date(2024, 11, 30)),
    Customer("C-12", "Walter Brandt", None, "Graz", date(2017, 4, 19)),
    Customer("C-13", "Noor de Vries", "noor.devries@example.com", "Utrecht", date(2023, 10, 5)),
    Customer("C-14", "Emil Lindholm", "emil.lindholm@example.com", "Turku", date(2022, 2, 17)),
    Customer("C-15", "Amara Diallo", None, "Lyon", date(2020, 8, 24)),
    Customer("C-42", "Harbour Supplies Ltd", "purchasing@harbour-supplies.example.com", "Cork", date(2014, 2, 3)),
)

# Long enough ago to be over, and the same on every machine: pages of this history never change.
_HISTORY_BEGAN = date(2015, 1, 5)
_CATALOGUE = (
    Item("KIT-0110", "Enamel milk jug, 0.75 litre", 1850),
    Item("KIT-0233", "Linen tea towel, set of four", 2400),
    Item("TAB-0412", "Water glass, hand blown", 950, quantity=6),
    Item("TAB-0415", "Stoneware plate, 27 cm, grey", 1600, quantity=4),
    Item("LIV-0730", "Beeswax candle, pair", 1290, quantity=2),
    Item("LIV-0741", "Wool blanket, herringbone", 8900),
    Item("OFF-0902", "Desk lamp, brass", 7400),
)


def today() -> date:
    return datetime.now(UTC).date()


def orders(as_of: date) -> Iterator[Order]:
    """Every order at first start; recent ones are dated from then, so that "late" stays true for years."""
    yield from _recent_orders(as_of)
    yield from islice(_long_history(), LONG_HISTORY_ORDERS)


def _recent_orders(as_of: date) -> Iterator[Order]:
    def days_ago(days: int) -> date:
        return as_of - timedelta(days=days)

    bowl, tray = Item("TAB-0420", "Stoneware serving bowl", 4000), Item("KIT-0301", "Oak serving tray", 4900)
    yield Order("A-17", "C-7", "delivered", (bowl, tray), days_ago(12), days_ago(7), days_ago(6))
    dining = (Item("FUR-0055", "Dining table, ash", 52000), Item("FUR-0061", "Chair, ash", 6000, quantity=2))
    yield Order("A-18", "C-8", "delivered", dining, days_ago(15), days_ago(5), days_ago(4))
    machine = (Item("CAF-0007", "Espresso machine, two groups", 250000),)
    yield Order("A-19", "C-9", "delivered", machine, days_ago(20), days_ago(10), days_ago(9))
    towels = (Item("BAT-0518", "Bath towel, cotton", 1500, quantity=2),)
    yield Order("A-20", "C-10", "refunded", towels, days_ago(25), days_ago(19), days_ago(18), 3000)
    yield Order(
        "A-21",
        "C-7",
        "placed",
        (Item("LIV-0741", "Wool blanket, herringbone", 8900),),
        days_ago(14),
        days_ago(4),
    )
    lamps = (Item("OFF-0911", "Clip lamp, white", 3500), Item("OFF-0920", "Standing lamp, walnut", 8500))
    yield Order("A-22", "C-11", "delivered", lamps, days_ago(10), days_ago(6), days_ago(6))
    yield Order(
        "A-23",
        "C-7",
        "shipped",
        (Item("KIT-0233", "Linen tea towel, set of four", 2400),),
        days_ago(3),
        days_ago(-6),
    )
    drawers = (
        Item("FUR-0102", "Chest of drawers, pine", 19500),
        Item("FUR-0190", "Drawer handles, set", 1500),
    )
    yield Order("A-24", "C-12", "delivered", drawers, days_ago(16), days_ago(8), days_ago(8))
    yield Order("A-25", "C-42", "shipped", (_CATALOGUE[2], _CATALOGUE[3]), days_ago(5), days_ago(1))
    tea = (Item("KIT-0120", "Enamel teapot, blue", 6200), Item("TAB-0431", "Tea cup, stoneware", 900, quantity=4))
    yield Order("A-26", "C-13", "delivered", tea, days_ago(17), days_ago(10), days_ago(9))
    cabinet = (Item("FUR-0140", "Bathroom cabinet, birch", 23900), Item("FUR-0192", "Hinges, pair", 1400))
    yield Order("A-27", "C-14", "delivered", cabinet, days_ago(22), days_ago(14), days_ago(13))
    mirror = (Item("LIV-0760", "Wall mirror, round", 5500), Item("LIV-0764", "Coat hooks, set of three", 1200))
    yield Order("A-28", "C-14", "delivered", mirror, days_ago(11), days_ago(5), days_ago(5))
    rug = (Item("LIV-0702", "Wool rug, undyed", 15900),)
    yield Order("A-29", "C-15", "delivered", rug, days_ago(120), days_ago(108), days_ago(96))


def _long_history() -> Iterator[Order]:
    number = 0
    while True:
        number += 1
        placed_on = _HISTORY_BEGAN + timedelta(days=2 * number)
        first, second = _CATALOGUE[number % 7], _CATALOGUE[(3 * number + 1) % 7]
        items = (first,) if first == second else (first, second)
        delivered_on = placed_on + timedelta(days=3 + number % 4)
        yield Order(
            f"H-{number:04}",
            LONG_HISTORY_CUSTOMER,
            "delivered",
            items,
            placed_on,
            placed_on + timedelta(days=7),
            delivered_on,
        )
