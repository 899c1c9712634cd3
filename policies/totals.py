"""The running totals that operators declare in totals.toml, and what an action adds to each."""

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, JsonValue, ValidationError, model_validator
from pydantic_core import ErrorDetails

from contracts.model import Model
from contracts.pointers import POINTER, value_at
from contracts.tools import LARGEST_AMOUNT, Share

GIVEN = ("requester", "automation", "day")
"""What a total may be kept per without saying where it stands: no argument, but known to the gate."""
FIELDS = ("tool", "amount", "per", "time_zone")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_POINTER = re.compile(POINTER)
_TOOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.\S+")


class TotalsUnusable(ValueError):
    """The totals cannot be used as written; the message names the file, the total, the field and the way out."""


class CannotTotal(Exception):
    """An action cannot be added to a total that stands for its tool; it must be refused. Quotes no argument."""


def _a_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError('must be small letters, digits and "_", a letter first; rename it')
    return name


def _a_tool(tool: str) -> str:
    if not _TOOL.fullmatch(tool):
        raise ValueError('must name a tool as "server.tool"; write for example "payments.issue_credit"')
    return tool


def _a_pointer(pointer: str) -> str:
    if not _POINTER.fullmatch(pointer):
        raise ValueError('must be a JSON pointer to an argument; write for example "/cents"')
    return pointer


def _names(per: object) -> object:
    if not isinstance(per, list | tuple) or not per:
        raise ValueError('must be a list of one name or more; write for example ["requester", "day"]')
    return per


def _a_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError('must be a time zone this machine knows; write for example "Europe/Berlin"') from error
    return name


Name = Annotated[str, AfterValidator(_a_name)]
Pointer = Annotated[str, AfterValidator(_a_pointer)]


class TotalRule(Model):
    """One running total: the calls of one tool, added up for each combination of what it is kept per."""

    name: Name
    tool: Annotated[str, AfterValidator(_a_tool)]
    """`server.tool`."""
    amount: Pointer
    """Where the amount stands among the arguments: an integer of minor units."""
    per: Annotated[tuple[Name, ...], BeforeValidator(_names)]
    """What it is kept apart by: `requester`, `automation`, `day`, or a name in `places`."""
    time_zone: Annotated[str, AfterValidator(_a_time_zone)] = "UTC"
    """Where a day begins and ends."""
    places: dict[Name, Pointer] = {}
    """Name in `per` -> where it stands among the arguments."""

    @model_validator(mode="after")
    def _says_where_everything_stands(self) -> Self:
        if problem := _problem_of(self):
            raise ValueError(problem)
        return self

    def share(self, arguments: dict[str, JsonValue], given: Mapping[str, str]) -> Share:
        """What a call with these arguments adds. Raises CannotTotal."""
        amount = value_at(arguments, self.amount)
        if type(amount) is not int or not 0 <= amount <= LARGEST_AMOUNT:
            raise CannotTotal(
                f"{self.tool} needs an amount at {self.amount} to be counted in {self.name}: a whole number of minor "
                f"units, not negative; give it there"
            )
        whom = {key: given[key] if key in GIVEN else self._key(arguments, key) for key in self.per}
        return Share(total=self.name, of=json.dumps(whom, sort_keys=True), amount=amount)

    def _key(self, arguments: dict[str, JsonValue], name: str) -> str:
        """The argument that `name` stands for, as text. Spelling that many a server overlooks opens no new total."""
        value = value_at(arguments, self.places[name])
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        if not text:
            raise CannotTotal(
                f"{self.tool} needs the {name} at {self.places[name]} to be counted in {self.name}: a text or a whole "
                f"number; give it there"
            )
        return text


def _problem_of(rule: TotalRule) -> str:
    if len(set(rule.per)) < len(rule.per):
        return ".per names something twice; name it once"
    if taken := [name for name in rule.places if name in GIVEN]:
        return f".{taken[0]} is known to the gate and no argument; remove it"
    if lost := [name for name in rule.per if name not in GIVEN and name not in rule.places]:
        return f'.per names {lost[0]!r}, and nothing says where it stands; add {lost[0]} = "/..."'
    if rule.time_zone != "UTC" and "day" not in rule.per:
        return '.time_zone means nothing without a day; add "day" to per, or remove time_zone'
    return ""


def load_totals(text: str, file: str = "totals.toml") -> tuple[TotalRule, ...]:
    """The totals that the text declares, in its order; `file` names it in errors. Raises TotalsUnusable."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TotalsUnusable(f"{file}: cannot be read as TOML: {error}; correct it there") from error
    tables = document.pop("totals", {})
    if document:
        raise TotalsUnusable(f"{file}: only tables named [totals.NAME] belong here; found {next(iter(document))!r}")
    if not isinstance(tables, dict):
        raise TotalsUnusable(f"{file}: totals must be tables; write [totals.NAME]")
    return tuple(_rule(file, name, table) for name, table in tables.items())


def shares_of(
    rules: Iterable[TotalRule],
    server: str,
    tool: str,
    arguments: dict[str, JsonValue],
    *,
    requester: str,
    automation: str,
    at: datetime,
) -> tuple[Share, ...]:
    """What the call would add to each total of its tool; `at` is the gate's clock. Raises CannotTotal."""
    shares = []
    for rule in rules:
        if rule.tool == f"{server}.{tool}":
            day = at.astimezone(ZoneInfo(rule.time_zone)).date().isoformat()
            shares.append(rule.share(arguments, {"requester": requester, "automation": automation, "day": day}))
    return tuple(shares)


def _rule(file: str, name: str, table: JsonValue) -> TotalRule:
    if not isinstance(table, dict):
        raise TotalsUnusable(f"{file}: totals.{name} must be a table; write [totals.{name}]")
    fields = {field: value for field, value in table.items() if field in FIELDS}
    places = {field: value for field, value in table.items() if field not in FIELDS}
    per = table.get("per")
    if idle := [place for place in places if isinstance(per, list) and place not in per]:
        raise TotalsUnusable(
            f"{file}: totals.{name}.{idle[0]} is neither one of {', '.join(FIELDS)} nor a name in per; "
            "correct its spelling, add it to per, or remove it"
        )
    try:
        return TotalRule.model_validate({**fields, "name": name, "places": places})
    except ValidationError as error:
        raise TotalsUnusable(f"{file}: totals.{name}{_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first, *more = error.errors(include_url=False)
    rest = f" (and {len(more)} more problems)" if more else ""
    return f"{_problem(first)}{rest}"


def _problem(problem: ErrorDetails) -> str:
    loc = [str(part) for part in problem["loc"] if part not in ("name", "places", "[key]")]
    place = "".join(f".{part}" for part in loc)
    match problem["type"]:
        case "missing":
            return f"{place} is missing; add it"
        case "value_error":
            said = problem["msg"].removeprefix("Value error, ")
            return said if said.startswith(".") else f"{place} {said}"
        case _:
            return f"{place} is {problem['input']!r}: {problem['msg']}; correct it"
