"""Reading amounts of money out of what people write."""

import re

_CURRENCY = r"(?:EUR|USD|GBP|CHF|€|\$|£|euros?)"
_NUMBER = r"\d{1,3}(?:[,.]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_AMOUNT = re.compile(
    rf"(?P<cents>\d+)\s*cents?\b"
    rf"|(?P<before>{_NUMBER})\s*{_CURRENCY}"
    rf"|{_CURRENCY}\s*(?P<behind>{_NUMBER})"
    rf"|(?<![\w.,-])(?P<bare>\d+[.,]\d{{2}})(?![\w.,]*\d)",
    re.IGNORECASE,
)


def amounts_in(text: str) -> list[int]:
    """Every amount in cents; a bare whole number is not one, it may be anything."""
    return [_cents_of(match) for match in _AMOUNT.finditer(text)]


def _cents_of(match: re.Match[str]) -> int:
    if match["cents"]:
        return int(match["cents"])
    number = match["before"] or match["behind"] or match["bare"]
    fraction = re.search(r"[.,](\d{1,2})$", number)
    units = re.sub(r"\D", "", number[: fraction.start()] if fraction else number)
    return int(units) * 100 + (int(fraction[1].ljust(2, "0")) if fraction else 0)


def written(cents: int, currency: str) -> str:
    return f"{cents // 100}.{cents % 100:02} {currency}"
