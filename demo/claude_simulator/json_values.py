"""What JSON can hold, for the type checker."""

from typing import TypeAlias

JsonObject: TypeAlias = dict[str, "Json"]
Json: TypeAlias = JsonObject | list["Json"] | str | int | float | bool | None
