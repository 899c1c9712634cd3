"""NAME=VALUE as people type it on the command line."""

import json
from collections.abc import Sequence

from pydantic import JsonValue

from cli.exits import WrongInput
from contracts.canonical import parse_json
from contracts.tools import LARGEST_AMOUNT


def read_assignments(option: str, assignments: Sequence[str]) -> dict[str, JsonValue]:
    """Name -> value; a value that is not JSON is text. Raises WrongInput naming the option."""
    named: dict[str, JsonValue] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not all(name.split(".")):
            raise WrongInput(f"{option} {assignment[:80]!r} does not say which field; write {option} field=value")
        if name in named:
            raise WrongInput(f"{option} {name} is given twice; give it once")
        named[name] = _value(f"{option} {name}", text)
    return named


def read_counts(option: str, assignments: Sequence[str]) -> dict[str, int]:
    """Name -> whole number. Raises WrongInput naming the option."""
    return {name: whole_number(option, name, value) for name, value in read_assignments(option, assignments).items()}


def whole_number(option: str, name: str, value: JsonValue) -> int:
    """The value, when it is a whole number that a call can carry. Raises WrongInput."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongInput(f"{option} {name}: {value!r:.60} is no whole number; write {option} {name}=NUMBER")
    if abs(value) > LARGEST_AMOUNT:
        raise WrongInput(f"{option} {name}: no call carries a number beyond {LARGEST_AMOUNT}; give a smaller one")
    return value


def _value(given: str, text: str) -> JsonValue:
    try:
        return parse_json(text)
    except json.JSONDecodeError:
        return text
    except ValueError as error:
        raise WrongInput(f"{given}: {error}") from error
