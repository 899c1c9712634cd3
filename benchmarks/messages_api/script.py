"""The script: what it says comes from values found in the request, and without them it fails."""

import re
from dataclasses import dataclass

from benchmarks.exchange import Json
from benchmarks.goals import (
    PAGE,
    POST,
    READ_RESULT,
    RECALLED_PAGE,
    RECALLS,
    Goal,
    Posting,
    Reading,
    goal_in,
)
from benchmarks.mcp_server.books import recalled_row
from benchmarks.messages_api.request import Refused, Request, ToolUse

_REFERENCE = re.compile(r"\br\d+\.\d+\b")


@dataclass(frozen=True)
class Answer:
    """What the model says, and the tool it wants called, if any."""

    text: str
    tool: str = ""
    arguments: Json | None = None


class Missing(Refused):
    """A value that the script needs is not in the request, and cannot be asked for."""


def goal_of(request: Request) -> Goal:
    """What is to be done, as the request says it. Raises Missing."""
    for text in request.said():
        if (goal := goal_in(text)) is not None:
            return goal
    raise Missing("the script needs a goal that it knows, and the request has none")


def answer(request: Request, goal: Goal) -> Answer:
    """The next answer. Raises Missing."""
    match goal:
        case Reading():
            return _read(request, goal)
        case Posting():
            return _post(request, goal)


def _post(request: Request, goal: Posting) -> Answer:
    done = [use for use in request.uses if use.name == POST]
    if not done:
        return _call(request, POST, f"Posting {goal.entry}.", {"entry": goal.entry})
    if done[-1].failed or f'"{goal.entry}"' not in done[-1].text:
        raise Missing(f"the script needs the entry {goal.entry} posted, and was told: {done[-1].text[:200]!r}")
    return Answer(f"The entry {goal.entry} is posted.")


def _read(request: Request, goal: Reading) -> Answer:
    done = [use for use in request.uses if use.name == PAGE]
    last = _number_of(done[-1]) if done else 0
    if done and done[-1].failed:
        raise Missing(f"the script needs page {last}, and was told: {done[-1].text[:200]!r}")
    code = _found(request, last, 1) if last else ""
    if isinstance(code, Answer):
        return code
    if last == goal.pages:
        return Answer(f"I have read {last} pages. The last one begins with {code}.")
    wanted: Json = {"book": goal.book, "number": last + 1, "page_bytes": goal.page_bytes, "code": code}
    if last + 1 in RECALLS:
        recalled = _found(request, RECALLED_PAGE, recalled_row(goal.page_bytes))
        if isinstance(recalled, Answer):
            return recalled
        wanted["recalled"] = recalled
    return _call(request, PAGE, f"Reading page {last + 1} of {goal.pages}.", wanted)


def _found(request: Request, page: int, row: int) -> str | Answer:
    """The code of a row where it is shown; else the call by which it can be had. Raises Missing."""
    shown = re.compile(rf"\bp{page}\.{row}-[0-9a-f]{{12}}\b")
    for use in reversed(request.uses):
        if use.name in (PAGE, READ_RESULT) and (code := shown.search(use.text)):
            return code[0]
    if READ_RESULT not in request.offered:
        raise Missing(f"the script needs row {row} of page {page}, which the request does not show")
    query, reference = f"p{page}.{row}-", _reference_of(request, page)
    ways: tuple[Json, ...] = ({"query": query},)  # its turn is not shown any more: all results are searched
    if reference:
        ways = ({"ref": reference, "rows": f"{row}-{row}"}, {"ref": reference, "query": query})
    tried = _looks_since_the_last_page(request)
    for way in ways:
        if way not in [use.input for use in tried]:
            return _call(request, READ_RESULT, f"Looking at row {row} of page {page} again.", way)
    raise Missing(f"the script needs row {row} of page {page}, and {READ_RESULT} says {tried[-1].text[:300]!r}")


def _looks_since_the_last_page(request: Request) -> list[ToolUse]:
    looks: list[ToolUse] = []
    for use in request.uses:
        looks = [] if use.name == PAGE else [*looks, use]
    return [use for use in looks if use.name == READ_RESULT]


def _reference_of(request: Request, page: int) -> str:
    """How the result is called in which a page stands; empty when the request does not show it."""
    for use in request.uses:
        if use.name == PAGE and _number_of(use) == page and (reference := _REFERENCE.search(use.text)):
            return reference[0]
    return ""


def _number_of(use: ToolUse) -> int:
    return int(use.input["number"])


def _call(request: Request, tool: str, text: str, arguments: Json) -> Answer:
    if tool not in request.offered:
        raise Missing(f"the script needs the tool {tool!r}, which is not offered")
    return Answer(text, tool, arguments)
