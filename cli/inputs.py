"""An automation's input: read from a file, standard input and --set, and checked before anything is started."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from cli.assignments import read_assignments
from cli.exits import WrongInput
from contracts.canonical import canonical_json, parse_json
from contracts.model import Model
from contracts.runs import MAX_INPUT_BYTES
from workflows.catalog import CatalogEntry

MAX_FILE_BYTES = 16 * 1024 * 1024
"""More is not even read."""
MAX_DEPTH = 50
SHOWN_PROBLEMS = 3
Fields = dict[str, JsonValue]
ModelT = TypeVar("ModelT", bound=Model)
_ON_THE_COMMAND_LINE = "add it to the file, or give --set {field}=VALUE"


def read_request(entry: CatalogEntry, source: str, assignments: Sequence[str]) -> Model:
    """The checked input. Raises WrongInput naming the field and what to do; nothing was started then."""
    fields = _from_source(source) if source else {}
    for name, value in read_assignments("--set", assignments).items():
        _put(fields, name, value)
    return checked(entry.name, entry.request, fields, assignments, _ON_THE_COMMAND_LINE)


def checked(
    name: str, wanted: type[ModelT], fields: Fields, assignments: Sequence[str] = (), missing: str = "give it"
) -> ModelT:
    """`fields` as what `name` takes. Raises WrongInput naming the field; `missing` is the way out where one is."""
    try:
        _check_values(fields, ())
        _check_size(fields)
        return wanted.model_validate_json(canonical_json(fields), strict=True)
    except ValidationError as error:
        sentences = _Sentences(name, wanted, assignments, missing)
        raise WrongInput(f"{name}: {sentences.of(error)}") from error


def _from_source(source: str) -> Fields:
    place = "standard input" if source == "-" else f"--from {source!r}"
    content = _content(source, place)
    try:
        parsed = parse_json(content)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise WrongInput(f"{place} is not JSON: {error.msg} at {where}; correct it there") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"{place} is not text in UTF-8, byte {error.start} is not; save it as UTF-8") from error
    except ValueError as error:
        raise WrongInput(f"{place}: {error}") from error
    if not isinstance(parsed, dict):
        raise WrongInput(f'{place} holds no JSON object; write {{"field": value, ...}}')
    return parsed


def _content(source: str, place: str) -> bytes:
    try:
        if source == "-":
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WrongInput(f"{place} cannot be read: {error.strerror}; name a JSON file") from error
    if len(content) > MAX_FILE_BYTES:
        raise WrongInput(f"{place} has more than {MAX_FILE_BYTES} bytes; an input has at most {MAX_INPUT_BYTES}")
    return content


def _put(fields: Fields, dotted: str, value: JsonValue) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = fields.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise WrongInput(f"--set {dotted}: {parent!r} holds a value, not an object; set {parent} itself")
        fields = inner
    fields[last] = value


def _check_values(value: JsonValue, path: tuple[str, ...]) -> None:
    """What canonical JSON cannot carry, found by its place."""
    if len(path) > MAX_DEPTH:
        raise WrongInput(f"{path[0]} is nested more than {MAX_DEPTH} levels deep; give flatter JSON")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_values(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_values(inner, (*path, str(index)))
    else:
        try:
            canonical_json(value)
        except ValueError as error:
            what = "text" if isinstance(value, str) else f"number {value!r:.40}"
            raise WrongInput(f"{'.'.join(path)}: this {what} has no exact JSON form; give another") from error


def _check_size(fields: Fields) -> None:
    size = len(canonical_json(fields))
    if size > MAX_INPUT_BYTES:
        largest = max(fields, key=lambda name: len(canonical_json(fields[name])))
        raise WrongInput(
            f"{largest}: the input has {size} bytes and may have {MAX_INPUT_BYTES}; "
            f"shorten {largest!r}, its largest field, or name a document instead of quoting it"
        )


@dataclass(frozen=True)
class _Sentences:
    """What is wrong with an input, in words."""

    name: str
    wanted: type[Model]
    assignments: Sequence[str]
    missing: str

    def of(self, error: ValidationError) -> str:
        """The first problems, and how many more there are."""
        problems = error.errors(include_url=False, include_context=False)
        shown = "; ".join(self._one(problem) for problem in problems[:SHOWN_PROBLEMS])
        return shown + (f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else "")

    def _one(self, problem: ErrorDetails) -> str:
        field = ".".join(map(str, problem["loc"])) or "input"
        match problem["type"]:
            case "extra_forbidden":
                return f"{field} is no field of {self.name!r}; its fields are {', '.join(self.wanted.model_fields)}"
            case "missing":
                return f"{field} is missing; {self.missing.format(field=field)}"
            case "string_type" if any(assignment.startswith(f"{field}=") for assignment in self.assignments):
                return f"{field} must be text; quote it for JSON: --set '{field}=\"{problem['input']}\"'"
            case _:
                words = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
                return f"{field} {words}, not {_short(problem['input'])}; correct it"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
