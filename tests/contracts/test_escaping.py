"""The escaper: nothing that it lets through moves a cursor, hides from an eye, or means something to Markdown."""

import random
import unicodedata
from collections.abc import Callable, Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len

from cli.printing import say, say_table, tell
from contracts.escaping import markdown, plain

pytestmark = pytest.mark.many

EVERY_CODE_POINT = range(0x110000)
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "Mc", "Me")
FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u00ad\u200b\u200d\u2060\ufeff"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TAGS = "".join(map(chr, range(0xE0000, 0xE0080)))
ACTED_ON = (
    (0x0000, 0x001F, "C0"),
    (0x007F, 0x009F, "DEL and C1"),
    (0x00A0, 0x00A0, "no-break space"),
    (0x00AD, 0x00AD, "soft hyphen"),
    (0x0300, 0x036F, "combining marks"),
    (0x0483, 0x0489, "Cyrillic combining marks"),
    (0x0591, 0x05BD, "Hebrew points"),
    (0x0600, 0x0605, "Arabic prepended signs"),
    (0x061C, 0x061C, "Arabic letter mark"),
    (0x064B, 0x065F, "Arabic points"),
    (0x06DD, 0x06DD, "end of ayah"),
    (0x070F, 0x070F, "Syriac abbreviation mark"),
    (0x115F, 0x11FF, "Hangul fillers, and letters drawn over the one before"),
    (0x1680, 0x1680, "Ogham space"),
    (0x17B4, 0x17B5, "Khmer vowels that are not shown"),
    (0x180B, 0x180F, "Mongolian selectors"),
    (0x1AB0, 0x1AFF, "more combining marks"),
    (0x1DC0, 0x1DFF, "still more combining marks"),
    (0x2000, 0x200F, "spaces, zero widths, directions"),
    (0x2028, 0x202F, "separators, bidi embeddings, narrow space"),
    (0x205F, 0x206F, "mathematical space, joiners, isolates"),
    (0x20D0, 0x20FF, "combining marks for symbols"),
    (0x2800, 0x2800, "blank Braille"),
    (0x3000, 0x3000, "ideographic space"),
    (0x302A, 0x302F, "ideographic tone marks"),
    (0x3164, 0x3164, "Hangul filler"),
    (0xD7B0, 0xDFFF, "Hangul letters drawn over the one before, surrogates"),
    (0xE000, 0xF8FF, "private use"),
    (0xFDD0, 0xFDEF, "no characters"),
    (0xFE00, 0xFE0F, "variation selectors"),
    (0xFE20, 0xFE2F, "combining half marks"),
    (0xFEFF, 0xFEFF, "byte order mark"),
    (0xFFA0, 0xFFA0, "halfwidth Hangul filler"),
    (0xFFF0, 0xFFFC, "specials"),
    (0x13430, 0x13442, "hieroglyph joiners and blanks"),
    (0x1BCA0, 0x1BCA3, "shorthand controls"),
    (0x1D159, 0x1D159, "a notehead that is not drawn"),
    (0x1D165, 0x1D169, "musical combining marks"),
    (0x1D16D, 0x1D182, "musical combining and format signs"),
    (0x1F3FB, 0x1F3FF, "skin tones, which change the sign before"),
    (0xE0000, 0xE0FFF, "tags and more variation selectors"),
    (0xF0000, 0x10FFFF, "private use"),
)
"""What a terminal acts on or an eye misses, written down by hand: nothing of Python's tables."""
TOUCHY = frozenset(number for first, last, _ in ACTED_ON for number in range(first, last + 1)) | frozenset(
    plane * 0x10000 + end for plane in range(17) for end in (0xFFFE, 0xFFFF)
)
SEQUENCES = 5_000
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

HOSTILE = (
    "a | b | c",
    "a \\| b",
    "\\",
    "trailing \\",
    "[click](https://evil.example)",
    "[click]: https://evil.example",
    "![image](https://evil.example/pixel)",
    "<script>alert(1)</script>",
    "<https://evil.example>",
    "<a href='https://evil.example'>x</a>",
    "<!-- hidden -->",
    "<div class=x",
    "</table",
    "<?php x",
    "&lt;b&gt; &#60; &amp;",
    "`code` ``more``",
    "```\nfence",
    "~~~ fence",
    "~~gone~~",
    "**bold** __bold__ *it* _it_",
    "# heading",
    "> quote",
    "- item",
    "+ item",
    "* item",
    "7. item",
    "7) item",
    "---",
    "===",
    "    indented like code",
    "line\nnext line | cell",
    "line\r\n\r\nparagraph",
    "\ttab",
    "|---|---|",
    "{.class} :::",
    "\u2028separator",
)


def test_of_every_code_point_there_is_only_a_visible_one_comes_through() -> None:
    passed = 0
    for number in EVERY_CODE_POINT:
        character = chr(number)
        shown = plain(character)
        if shown == character:
            passed += 1
            assert character == " " or unicodedata.category(character) not in INVISIBLE, hex(number)
            assert character not in FILLERS + BIDI + TAGS, hex(number)
        else:
            assert shown == f"\\u{{{number:x}}}"
    assert passed > 130_000  # letters, digits and signs of every script stay readable


@pytest.mark.parametrize("escape", [plain, markdown])
def test_no_code_point_leaves_anything_that_a_terminal_acts_on(escape: Callable[[str], str]) -> None:
    shown = [escape(chr(number)) for number in EVERY_CODE_POINT]

    assert len(shown) == 1_114_112
    left = set(map(ord, set("".join(shown))))
    assert not left & TOUCHY
    assert not [hex(number) for number in left if cell_len(chr(number)) < 1]  # each takes room of its own
    assert not [hex(number) for number in left if not chr(number).isprintable()]  # unassigned ones are not


def test_the_ranges_written_by_hand_hold_what_unicode_calls_dangerous() -> None:
    by_category = {n for n in EVERY_CODE_POINT if unicodedata.category(chr(n)) in ("Cc", "Cs", "Co", "Zs", "Zl", "Zp")}
    formats = {n for n in EVERY_CODE_POINT if unicodedata.category(chr(n)) == "Cf"}

    assert by_category - TOUCHY == {ord(" ")}
    assert len(formats - TOUCHY) < 10  # rare signs of single scripts, which the escaper does not let through either
    assert not [hex(number) for number in formats if plain(chr(number)) == chr(number)]


def test_hostile_sequences_that_a_command_prints_stay_on_their_line_and_do_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sequences = list(hostile_sequences(random.Random(20261125)))
    for sequence in sequences:
        say(f"before {sequence} after")
        tell(f"before {sequence} after")
    out, err = capsys.readouterr()
    say_table(("a", "b"), [(sequence[:200], "end") for sequence in sequences])
    table = capsys.readouterr().out

    assert len(sequences) == SEQUENCES
    for printed in (out.split("\n")[:-1], err.split("\n")[:-1]):
        assert len(printed) == SEQUENCES
        assert all(line.startswith("before ") and line.endswith(" after") for line in printed)
    assert len(table.split("\n")) == SEQUENCES + 2
    assert not {ord(character) for character in out + err + table} & (TOUCHY - {ord("\n"), ord("\t")})
    assert all(row.count("\t") == 1 for row in table.split("\n")[:-1])


def hostile_sequences(chance: random.Random) -> Iterator[str]:
    """Control sequences of every kind, with random parameters, in random company."""
    kinds = (
        lambda: f"\x1b[{chance.randrange(200)};{chance.randrange(200)}{chance.choice('ABCDHJKSTfmnsu')}",
        lambda: f"\x9b{chance.randrange(50)}{chance.choice('AHJKm')}",
        lambda: "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
        lambda: "\x1b]52;c;" + "A" * chance.randrange(40) + chance.choice(("\x07", "\x1b\\", "\x9c")),
        lambda: f"\x1b]{chance.choice((0, 1, 2))};a title\x07",
        lambda: f"\x1bP{chance.randrange(9)}$q\x1b\\",
        lambda: "\x90q\x9c",
        lambda: "paid 10.00" + "\r" + "paid 99.00",
        lambda: "x" * 9 + "\b" * chance.randrange(1, 30),
        lambda: chance.choice("\n\x0b\x0c\x85\u2028\u2029") + "next: interlock approvals approve",
        lambda: chance.choice(BIDI) + "txt.exe" + chance.choice(BIDI),
        lambda: "".join(chr(0xE0000 + ord(letter)) for letter in "approve"),
        lambda: "a" + chr(chance.randrange(0x300, 0x370)) * chance.randrange(1, 300),
        lambda: "\u1100" + chr(chance.randrange(0x1161, 0x1200)) * chance.randrange(1, 300),
        lambda: chance.choice(FILLERS) * chance.randrange(1, 50),
        lambda: "\U0001f468\u200d\U0001f469\ufe0f\U0001f3fd",
        lambda: chr(chance.randrange(0xD800, 0xE000)),
        lambda: "\t" * chance.randrange(1, 20),
        lambda: "".join(chr(chance.randrange(0x110000)) for _ in range(20)),
        lambda: "\x1b" + chance.choice("c78=>MDE#(") + chance.choice("08B"),
    )
    for number in range(SEQUENCES):
        first = kinds[number % len(kinds)]()
        yield first + "".join(chance.choice(kinds)() for _ in range(chance.randrange(3)))


@pytest.mark.parametrize("flood", ["\u0301" * 10_000, "\u1161\u11a8" * 5_000, "\u20dd\u0489" * 5_000])
def test_a_flood_of_marks_takes_the_room_that_it_is_worth(flood: str) -> None:
    shown = plain(f"a{flood}", 20_000)

    assert cell_len(shown) == len(shown) > 60_000


@pytest.mark.parametrize("text", ["\u110b\u1161\u11ab", "\uc548\ub155"])
def test_hangul_in_syllables_stays_and_in_pieces_is_told_piece_by_piece(text: str) -> None:
    whole = unicodedata.normalize("NFC", text) == text
    assert (plain(text) == text) == whole


def test_whatever_comes_out_is_printable_and_on_one_line() -> None:
    for start in range(0, 0x110000, 1024):
        shown = plain("".join(map(chr, range(start, start + 1024))))
        assert shown.isprintable()
        assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("hidden", [*BIDI, *FILLERS, *TAGS[::16], "\u00a0", "\u3000", "\u0301", "\ufe0f"])
def test_what_an_eye_would_miss_becomes_a_code(hidden: str) -> None:
    assert plain(f"a{hidden}b") == f"a\\u{{{ord(hidden):x}}}b"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[31mred\x1b[0m",
        "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
        "\x1b]0;title\x07",
        "\x1b]52;c;Y2xpcGJvYXJk\x07",
        "\x9b2J",
        "\x1bP$q\x1b\\",
        "over\rwritten",
        "back\b\b\b\bspace",
        "a\nb\vc\fd\x85e",
        "\x00\x7f",
    ],
)
def test_a_terminal_finds_nothing_to_act_on(sequence: str) -> None:
    shown = plain(sequence)
    assert shown.isprintable()
    assert all(f"\\u{{{ord(sign):x}}}" in shown for sign in sequence if not sign.isprintable())


def test_ordinary_text_of_every_script_stays_as_it_is() -> None:
    text = "Zoë paid 40,00 € — „danke“, 谢谢, спасибо, ¡gracias! (50%) 👍 #7 a/b C:\\d"
    assert plain(text) == text


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 12, limit=10) == "x" * 10 + " … 2 more characters"
    assert plain("x" * 10, limit=10) == "x" * 10


@pytest.mark.parametrize("text", HOSTILE)
def test_in_a_table_cell_hostile_text_is_only_text(text: str) -> None:
    tokens = RENDERER.parse(f"| name | value |\n|---|---|\n| x | {markdown(text)} |\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert _only_text(cells[3]) == plain(text).strip()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("before", ["", "Path: ", "**", "- "])
def test_on_a_line_of_its_own_hostile_text_begins_nothing(before: str, text: str) -> None:
    harmless = RENDERER.parse(f"### heading\n{before}word{before.strip(' -Path:')}\n\nnext\n")
    tokens = RENDERER.parse(f"### heading\n{before}{markdown(text)}{before.strip(' -Path:')}\n\nnext\n")
    assert [token.type for token in tokens] == [token.type for token in harmless]
    words = [child.content for token in tokens for child in token.children or () if child.content]
    assert "".join(words) == f"heading{'Path: ' if 'P' in before else ''}{plain(text).strip()}next"


def _only_text(cell: Token) -> str:
    assert cell.children is not None
    assert {child.type for child in cell.children} <= {"text", "text_special"}
    return "".join(child.content for child in cell.children)
