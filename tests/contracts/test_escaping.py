"""The escaper: nothing that it lets through moves a cursor, hides from an eye, or means something to Markdown."""

import unicodedata

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from contracts.escaping import markdown, plain

EVERY_CODE_POINT = range(0x110000)
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "Mc", "Me")
FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u00ad\u200b\u200d\u2060\ufeff"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TAGS = "".join(map(chr, range(0xE0000, 0xE0080)))
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
