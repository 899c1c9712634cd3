"""What colleagues had noted in customers' files before the customer file was first started."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WrittenNote:
    customer_id: str
    days_ago: int
    text: str
    """`{until}` stands for the day that is `binds_days` away."""
    binds_days: int = 0


NOTES = (
    WrittenNote("C-13", 40, "Asked on the phone whether the glaze is safe for food. Told her yes, and for acids too."),
    WrittenNote(
        "C-13",
        4,
        "Called Noor about the chipped teapot of A-26. Promised her a credit of 20.00 EUR for it until {until}; she "
        "keeps the pot. Have not had the time to book it. Jonas, first line",
        binds_days=21,
    ),
    WrittenNote(
        "C-14",
        6,
        "Emil wrote that the hinges of A-27 were missing; the warehouse has sent them. Promised him a free return of "
        "the cabinet until {until}, should they not fit.",
        binds_days=14,
    ),
    WrittenNote(
        "C-14",
        2,
        "Warehouse confirms that the mirror of A-28 left with a crack. Promised Emil that we send the wall mirror once "
        "more, free of charge. Jonas, first line",
    ),
    WrittenNote(
        "C-15",
        95,
        "Promised Amara a credit of 15.00 EUR for the late delivery of A-29 until {until}, as she was very patient.",
        binds_days=-30,
    ),
)
