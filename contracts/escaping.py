"""The one escaper: text from outside, made safe for a terminal and for the Web UI's Markdown."""

import re
import unicodedata

_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]()#+!|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
_OPENING = re.compile(r"^([0-9]*)([-=.])")
"""What would begin a list, a rule or a heading, were it the first thing on a line."""


def plain(text: str, limit: int = 2000) -> str:
    """`text` on one line: whatever a terminal could act on, or an eye could miss, becomes `\\u{hex}`."""
    begun = text[:limit]
    shown = begun if begun.isascii() and begun.isprintable() else "".join(map(_shown, begun))
    return shown if len(text) <= limit else f"{shown} … {len(text) - limit} more characters"


def markdown(text: str, limit: int = 2000) -> str:
    """`text` as `plain` gives it, with everything escaped that Markdown or HTML would act on."""
    return _OPENING.sub(r"\1\\\2", plain(text, limit).lstrip(" ").translate(_MARKDOWN))


def _shown(character: str) -> str:
    if character == " " or (character.isascii() and character.isprintable()):
        return character
    category = unicodedata.category(character)
    if category[0] in "LN" or category in ("Pd", "Po", "Ps", "Pe", "Pi", "Pf", "Sc", "Sm", "So"):
        return character if character not in _UNSEEN else _code(character)
    return _code(character)


def _code(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


_BLANK = "\u115f\u1160\u3164\uffa0\u2800\u303f\ufffc\U00013441\U00013442\U0001d159\U0001da7f\U0001da80"
_JOINING = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))
"""Vowels and finals of Hangul, which terminals draw over the letter before: any number of them takes no room."""
_UNSEEN = frozenset(_BLANK) | {chr(number) for numbers in _JOINING for number in numbers}
"""Letters and signs by category that an eye cannot see, or not where they stand."""
