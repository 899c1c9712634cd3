"""TOML files of named tables: durations, ${NAME} from the environment, and mistakes named with their way out."""

import re
import tomllib
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
CREDENTIAL = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"
"""A reference to a value that stands elsewhere."""


class TablesUnusable(Exception):
    """A file of named tables cannot be used; the message names the file, the table, the field and the way out."""


def _iso_8601(value: object) -> object:
    if not isinstance(value, str) or not value.startswith("P"):
        raise ValueError('must be an ISO 8601 duration in quotes, for example "PT30S" or "P1D"')
    return value


Duration = Annotated[timedelta, BeforeValidator(_iso_8601), Field(gt=timedelta(0))]
"""A positive ISO 8601 duration."""


def read_tables(path: Path, kind: str, given_by: str) -> dict[str, JsonValue]:
    """The tables [kind.NAME] of a file, which holds nothing else, in its order. Raises TablesUnusable."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TablesUnusable(
            f"{path}: cannot be read as TOML: {error}; give {given_by} a file with [{kind}.NAME] tables"
        ) from error
    tables = document.pop(kind, None)
    if document or not isinstance(tables, dict) or not tables:
        found = f"found {', '.join(map(repr, document))}" if document else "found none"
        raise TablesUnusable(f"{path}: only tables named [{kind}.NAME] belong here, at least one; {found}")
    return tables


def fields_of(
    path: Path, place: str, table: JsonValue, expanding: Collection[str], environment: Mapping[str, str]
) -> dict[str, JsonValue]:
    """One table, with every ${NAME} in the fields `expanding` taken from the environment. Raises TablesUnusable."""
    if not isinstance(table, dict):
        raise TablesUnusable(f"{path}: {place} must be a table; write [{place}]")
    try:
        return {
            name: _expanded(f"{place}.{name}", value, environment) if name in expanding else value
            for name, value in table.items()
        }
    except KeyError as missing:
        raise TablesUnusable(f"{path}: {missing.args[0]}") from None


def sentence(place: str, error: ValidationError, never_shown: Collection[str]) -> str:
    """The first mistake in a table, with its place and the way out. `never_shown`: fields that may hold a secret."""
    first, *more = error.errors(include_url=False, include_context=False)
    rest = f" (and {len(more)} more problems)" if more else ""
    loc = () if first["loc"] == ("name",) else first["loc"]
    return f"{'.'.join([place, *map(str, loc)])} {_problem(first, never_shown)}{rest}"


def _expanded(place: str, value: JsonValue, environment: Mapping[str, str]) -> JsonValue:
    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise KeyError(
                f"{place} needs the environment variable {name!r}, which is not set; export {name}=... and try again"
            )
        return environment[name]

    if isinstance(value, str):
        return _VARIABLE.sub(variable, value)
    if isinstance(value, list):
        return [_expanded(place, item, environment) for item in value]
    if isinstance(value, dict):
        return {key: _expanded(place, item, environment) for key, item in value.items()}
    return value


def _problem(problem: ErrorDetails, never_shown: Collection[str]) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "is not a field this file knows; correct its spelling or remove it"
        case "missing":
            return "is missing; add it"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case "tuple_type":
            return f'is {problem["input"]!r}; write a list, for example ["private", "untrusted"] or []'
        case _ if problem["loc"][0] in never_shown:
            return 'is not what belongs here; a credential is a reference, "env:NAME" or "file:/path", never a value'
        case _:
            return f"is {problem['input']!r}: {problem['msg']}; correct it"
