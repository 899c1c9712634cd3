"""Tool results of all kinds for tests, and following what an answer says about how to read on."""

import json
import random
import re

from activities.results.reading import read_result
from activities.results.requests import ReadRequest

WORDS = (
    "open",
    "Ünïcode",
    "日本語",
    "🙂 smile",
    'say "hi"',
    "back\\slash",
    "tab\there",
    "a,b;c",
    "",
    "<b>",
    "null",
    "H-0001",
)
NUMBERS = ("0", "-1", "10.10", "1e3", "12345678901234567890", "0.1234567890123456789", "-0.0", "4000")


def decimals(text: str) -> object:
    """JSON with every number as it is written."""
    return json.loads(text, parse_float=_written, parse_int=_written, parse_constant=_written)


def _written(number: str) -> tuple[str, str]:
    return ("number", number)


def written(chance: random.Random, deep: int = 2) -> str:
    """Some JSON value, as somebody might write it."""
    match chance.randrange(9 if deep else 6):
        case 0 | 1:
            return json.dumps(chance.choice(WORDS), ensure_ascii=chance.random() < 0.5)
        case 2 | 3:
            return chance.choice(NUMBERS)
        case 4:
            return chance.choice(("true", "false", "null"))
        case 5:
            return json.dumps(" ".join(chance.choices(WORDS, k=chance.randrange(1, 30))))
        case 6:
            inner = [written(chance, deep - 1) for _ in range(chance.randrange(4))]
            return f"[{chance.choice((',', ', ', ' , ')).join(inner)}]"
        case _:
            return record(chance, chance.randrange(4), deep - 1)


def record(chance: random.Random, fields: int, deep: int = 2) -> str:
    """An object with some fields; the spaces are anybody's."""
    between = chance.choice((": ", ":", " : "))
    inner = [f'"{name}"{between}{written(chance, deep)}' for name in chance.sample("abcdefgh", fields)]
    return "{" + chance.choice((",", ", ", ",\n  ")).join(inner) + "}"


def table(chance: random.Random, rows: int) -> list[str]:
    """Rows with unequal fields, each with its number as `n`."""
    found = []
    for number in range(1, rows + 1):
        rest = record(chance, chance.randrange(6))[1:-1]
        found.append(f'{{"n": {number}{", " if rest else ""}{rest}}}')
    return found


def wrapped(rows: list[str]) -> str:
    """As many servers answer: the rows in a field, with others beside."""
    return f'{{"page": 3, "orders": [{", ".join(rows)}], "total": {len(rows)}}}'


def calls_in(text: str) -> list[ReadRequest]:
    """Every call of read_result that a text names, in order."""
    found = []
    for match in re.finditer(r"read_result\(", text):
        at, given = match.end(), dict[str, object]()
        while text[at] != ")":
            name, equals, _ = text[at:].partition("=")
            value, at = json.JSONDecoder().raw_decode(text, at + len(name) + len(equals))
            given[name] = value
            at += 2 if text.startswith(", ", at) else 0
        found.append(ReadRequest.model_validate(given))
    return found


def next_call(answer: str) -> ReadRequest | None:
    """How an answer says that it goes on; None when it is the end."""
    last = answer.rpartition("\n")[2]
    return calls_in(last)[0] if last.startswith("[next: ") else None


def every_answer(content: bytes, request: ReadRequest, limit: int) -> list[str]:
    """All answers from the first to the end, each asked for as the one before says."""
    answers = []
    following: ReadRequest | None = request
    while following is not None:
        answers.append(read_result(content, following, limit))
        following = next_call(answers[-1])
        assert len(answers) < 10_000
    return answers


def numbered(answer: str) -> list[tuple[int, str]]:
    """The rows of an answer: number and text, of those that are shown whole."""
    rows = re.findall(r"^(\d+): (.*)$", answer, re.MULTILINE)
    cut = re.findall(r"^\[(\d+) goes on: ", answer, re.MULTILINE)
    return [(int(number), text) for number, text in rows if number not in cut]
