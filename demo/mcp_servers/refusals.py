"""The one way a pretend system says no: a sentence for the caller, free of any SDK."""


class Refused(Exception):
    """A business rule stood in the way; the message says which, and what to do instead."""


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
