"""The pages of the documentation, as its editors have written them."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class WrittenPage:
    page_id: str
    title: str
    section: str
    in_force_since: date
    text: str
    is_draft: bool = False
    """Seen by the editors alone."""


PAGES = (
    WrittenPage(
        "returns-30-days",
        "Returns within 30 days",
        "returns",
        date(2024, 3, 1),
        "A customer may return an unused item within 30 days after delivery and gets its price back. The customer "
        "pays the parcel back, unless the item was wrong, damaged or faulty, or an agent has promised a free return. "
        "Used candles, opened food and items made to measure cannot be returned. The price is credited within five "
        "working days after the parcel has arrived with us.",
    ),
    WrittenPage(
        "damaged-goods",
        "Goods that arrive damaged",
        "returns",
        date(2024, 3, 1),
        "Whoever receives something broken, cracked, chipped or scratched chooses between its price back and the same "
        "item once more. Nothing has to be sent back; a photograph may be asked for above 100.00 EUR. The claim is "
        "accepted for 30 days after delivery. Only the damaged items count, and the whole order when all of it is "
        "unusable. What has been refunded is not replaced as well.",
    ),
    WrittenPage(
        "replacements",
        "Sending an item once more",
        "delivery",
        date(2025, 1, 15),
        "A replacement is ordered for an item that was delivered damaged, faulty or wrong, or that was missing from "
        "the parcel. It costs the customer nothing and is sent within two working days. An item is replaced once; when "
        "the second one is damaged too, its price is credited. Items that are no longer made are credited.",
    ),
    WrittenPage(
        "late-delivery",
        "Orders that are late",
        "delivery",
        date(2025, 6, 1),
        "An order is late when it is not delivered by the promised date. From the fourth day the customer may cancel "
        "it free of charge. As goodwill, 10 percent of its total may be credited, 20.00 EUR at most, once for an "
        "order, after it was delivered. Weekends count; days on which a carrier was on strike do not.",
    ),
    WrittenPage(
        "lost-parcels",
        "Parcels that never arrive",
        "delivery",
        date(2024, 9, 10),
        "A parcel counts as lost ten days after the promised date, or when the carrier says so. Until then customers "
        "are asked for patience. A lost parcel is sent once more, or credited when the customer prefers that. When it "
        "arrives after all, the customer may keep one of the two.",
    ),
    WrittenPage(
        "wrong-item",
        "Something else than was ordered",
        "delivery",
        date(2024, 9, 10),
        "Whoever receives another item than they ordered gets the right one, and a label to return the wrong one free "
        "of charge. Below 15.00 EUR the wrong item may be kept. The right item is sent before the wrong one is back.",
    ),
    WrittenPage(
        "missing-parts",
        "Parts that are missing",
        "delivery",
        date(2025, 1, 15),
        "Screws, handles and fittings that are missing from a parcel are sent separately within three working days. "
        "Customers who have bought them elsewhere get what those cost, up to the price of ours.",
    ),
    WrittenPage(
        "warranty-two-years",
        "Warranty of two years",
        "warranty",
        date(2023, 1, 1),
        "For two years after delivery we answer for faults that an item had from the start. In the first twelve "
        "months a fault counts as one of those, unless we show otherwise; later the customer shows it. We repair "
        "first, replace when a repair fails or takes longer than 14 days, and give the price back when neither helps.",
    ),
    WrittenPage(
        "warranty-wear",
        "What the warranty does not cover",
        "warranty",
        date(2023, 1, 1),
        "Wear, scratches from use, limescale, and damage from cleaning with abrasives are not covered. Textiles may "
        "shrink by three percent. Machines for professional use have one year, and only when they are serviced.",
    ),
    WrittenPage(
        "goodwill",
        "Goodwill of an agent",
        "goodwill",
        date(2025, 6, 1),
        "An agent may give up to 25.00 EUR as goodwill where no rule gives a right, once for an order and twice a "
        "year for a customer. More needs a support lead. Goodwill is for our mistakes, not for threats of a bad "
        "review. It is written into the customer file with its reason.",
    ),
    WrittenPage(
        "earlier-promises",
        "What an agent has promised",
        "goodwill",
        date(2025, 6, 1),
        "A promise that an agent has written into the customer file binds us, also where no rule would give it, until "
        "the last day it names; without one for twelve months. It is kept in full. What a customer says was promised, "
        "and no note tells of, does not bind us by itself: a support lead decides. A later note may take a promise "
        "back before it was kept, never afterwards.",
    ),
    WrittenPage(
        "refund-times",
        "How long a refund takes",
        "payments",
        date(2024, 3, 1),
        "A credit goes back the way the order was paid, to whoever paid. Cards show it after two to five working days, "
        "transfers after one to three. We cannot pay to another card or account. The customer gets a confirmation "
        "when the credit was issued.",
    ),
    WrittenPage(
        "price-changes",
        "When a price falls after the order",
        "payments",
        date(2024, 11, 4),
        "The price on the day of the order counts. When we lower the price of an item within seven days after its "
        "delivery, the customer may return it and order it anew; the difference itself is not credited.",
    ),
    WrittenPage(
        "changing-an-order",
        "Changing or cancelling an order",
        "orders",
        date(2024, 11, 4),
        "Until an order is handed to the carrier, address and items can be changed and it can be cancelled free of "
        "charge. Afterwards it can only be refused at the door or returned. Items made to measure are made from the "
        "first working day on, and cannot be cancelled then.",
    ),
    WrittenPage(
        "care-of-stoneware",
        "Care of stoneware and enamel",
        "care",
        date(2022, 5, 20),
        "Stoneware goes into the dishwasher and not onto a flame. Enamel is cleaned by hand and without steel wool. "
        "Fine lines in the glaze are no fault. A chipped rim is: an edge that shows the clay has been damaged.",
    ),
    WrittenPage(
        "goodwill-next-year",
        "Goodwill of an agent, from next year on",
        "goodwill",
        date(2027, 1, 1),
        "An agent may give up to 40.00 EUR as goodwill. To be agreed with finance before it is published.",
        is_draft=True,
    ),
)
PUBLISHED = tuple(page for page in PAGES if not page.is_draft)


def title_of(page_id: str) -> str | None:
    """How a published page is called; None when there is none of that name."""
    return next((page.title for page in PUBLISHED if page.page_id == page_id), None)
