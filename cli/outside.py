"""Text from outside, set apart from our own lines: escaped, folded and marked, so that it cannot imitate them."""

import json
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from contracts.escaping import plain

MARK: Final = "| "
"""Begins every line that is not ours."""
FOLDED: Final = "|… "
"""Begins what did not fit on the line before: no text can begin a line of its own by being long."""
INDENT: Final = "  "
GOES_ON: Final = "    "
"""Begins what did not fit on a line of ours; none of ours begins so."""
UNFOLDED: Final = 120
"""Columns where no terminal says how many it has."""
CUT_AFTER: Final = 1_000
"""Characters of one text, unless everything is asked for."""
CUT_LINES: Final = 40
CUT_ENTRIES: Final = 100
DEEPEST: Final = 16
EVERYTHING: Final = 10_000_000
_ONE_WORD = re.compile(r"[A-Za-z0-9_@./:#+-]{1,80}")
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-][A-Za-z0-9_@%+=:,./#-]*")


def labelled(label: str, text: str, full: bool = False) -> Iterator[str]:
    """`label: text` when the text is one harmless word; else the label, and the text set apart below it."""
    if _ONE_WORD.fullmatch(text):
        yield f"{label}: {text}"
        return
    yield f"{label}:"
    yield from apart(text, full)


def apart(text: str, full: bool = False, label: str = "") -> Iterator[str]:
    """`text` line by line, each marked. What is left out is told on a line of ours.

    With a label, which comes from outside as well: lines after the first are indented, so that none can be a label.
    """
    shown = text if full else text[:CUT_AFTER]
    lines = shown.split("\n")
    kept = lines if full else lines[:CUT_LINES]
    yield from marked(f"{label}: {kept[0]}" if label else kept[0])
    for line in kept[1:]:
        yield from marked(f"{INDENT}{line}" if label else line)
    missing = len(text) - sum(map(len, kept)) - (len(kept) - 1)
    if missing > 0:
        yield f"  … {missing} more characters; --full shows them"


def arguments_apart(arguments: JsonValue, full: bool = False) -> Iterator[str]:
    """Arguments of a call as JSON, each line marked; what is left out of a value stands outside its quotes."""
    for line in _written(arguments, "", "", 0, full):
        yield from marked(line)


def marked(line: str) -> Iterator[str]:
    """One line, escaped, and folded to the width of the terminal with a mark before each piece."""
    for number, piece in enumerate(folded(plain(line, EVERYTHING), _columns() - len(FOLDED))):
        yield f"{FOLDED if number else MARK}{piece}".rstrip()


def fitted(line: str) -> Iterator[str]:
    """A line of ours, folded between words; what a name from outside makes too long goes on indented."""
    if line.startswith((MARK, FOLDED, MARK.rstrip())):
        yield line
        return
    for number, piece in enumerate(folded(plain(line, EVERYTHING), _columns() - len(GOES_ON), between_words=True)):
        yield f"{GOES_ON if number else ''}{piece}".rstrip()


def folded(line: str, columns: int, between_words: bool = False) -> Iterator[str]:
    """Pieces of `line` that a terminal shows on one row each; wide characters take two columns."""
    piece, used = "", 0
    for character in line:
        width = _width(character)
        if used + width > columns:
            kept, space, rest = piece.rpartition(" ")
            if not (between_words and kept.strip()):
                kept, space, rest = piece, "", ""
            yield f"{kept}{space}"
            piece, used = rest, sum(map(_width, rest))
        piece, used = piece + character, used + width
    yield piece


def _width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _columns() -> int:
    found = shutil.get_terminal_size((UNFOLDED, 24)).columns if sys.stdout.isatty() else UNFOLDED
    return max(40, found)


def as_argument(text: str) -> str:
    """`text` as one word of a shell, so that a command we print does what it says when it is pasted."""
    return text if _BARE.fullmatch(text) else shlex.quote(text)


def _written(value: JsonValue, name: str, end: str, depth: int, full: bool) -> Iterator[str]:
    pad = INDENT * depth
    if isinstance(value, dict) and value and depth < DEEPEST:
        yield f"{pad}{name}{{"
        yield from _entries({f"{_quoted(key, full)}: ": inner for key, inner in value.items()}, depth, full)
        yield f"{pad}}}{end}"
    elif isinstance(value, list) and value and depth < DEEPEST:
        yield f"{pad}{name}["
        yield from _entries(dict(enumerate(value)), depth, full)
        yield f"{pad}]{end}"
    else:
        yield f"{pad}{name}{_quoted(value, full)}{end}"


def _entries(entries: Mapping[str | int, JsonValue], depth: int, full: bool) -> Iterator[str]:
    kept = len(entries) if full else min(len(entries), CUT_ENTRIES)
    for number, (name, value) in enumerate(entries.items(), start=1):
        if number > kept:
            break
        last = number == len(entries)
        yield from _written(value, name if isinstance(name, str) else "", "" if last else ",", depth + 1, full)
    if kept < len(entries):
        yield f"{INDENT * (depth + 1)}… {len(entries) - kept} more; --full shows them"


def _quoted(value: JsonValue, full: bool) -> str:
    if isinstance(value, str) and not full and len(value) > CUT_AFTER:
        more = len(value) - CUT_AFTER
        return f"{json.dumps(value[:CUT_AFTER], ensure_ascii=False)} … {more} more characters; --full shows them"
    return json.dumps(value, ensure_ascii=False)
