"""Reading JSON from outside: every value is checked where it is taken, and every complaint names its path."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.json_values import Json, JsonObject


@dataclass(frozen=True)
class Fields:
    """One JSON object and where it stood in the request."""

    values: JsonObject
    path: str = ""

    def at(self, name: str | int) -> str:
        return f"{self.path}.{name}" if self.path else str(name)

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def only(self, allowed: Iterable[str]) -> None:
        for name in sorted(set(self.values) - set(allowed)):
            raise ApiError(f"{self.at(name)}: Extra inputs are not permitted")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value(name, default)
        if not isinstance(value, str):
            raise ApiError(f"{self.at(name)}: Input should be a valid string")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ApiError(f"{self.at(name)}: Input should be a valid integer")
        return value

    def number(self, name: str) -> float:
        value = self._value(name, None)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ApiError(f"{self.at(name)}: Input should be a valid number")
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name) or False
        if not isinstance(value, bool):
            raise ApiError(f"{self.at(name)}: Input should be a valid boolean")
        return value

    def object(self, name: str) -> "Fields":
        value = self._value(name, None)
        if not isinstance(value, dict):
            raise ApiError(f"{self.at(name)}: Input should be an object")
        return Fields(value, self.at(name))

    def objects(self, name: str) -> "list[Fields]":
        value = self._value(name, None)
        if not isinstance(value, list):
            raise ApiError(f"{self.at(name)}: Input should be a valid list")
        return objects_of(value, self.at(name))

    def _value(self, name: str, default: Json) -> Json:
        value = self.values.get(name)
        if value is None and default is None:
            raise ApiError(f"{self.at(name)}: Field required")
        return default if value is None else value


def objects_of(values: list[Json], path: str) -> list[Fields]:
    found = []
    for position, value in enumerate(values):
        if not isinstance(value, dict):
            raise ApiError(f"{path}.{position}: Input should be an object")
        found.append(Fields(value, f"{path}.{position}"))
    return found


def read_json(body: bytes) -> Json:
    try:
        value: Json = json.loads(body)
    except ValueError as stood_in_the_way:
        raise ApiError(f"The request body is not valid JSON: {stood_in_the_way}") from stood_in_the_way
    return value


def read_object(body: bytes) -> Fields:
    value = read_json(body)
    if not isinstance(value, dict):
        raise ApiError("The request body is not a JSON object")
    return Fields(value)
