"""A bounded memory of what never changes, so that it need not be read or made anew."""

from collections import OrderedDict
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Remembered(Generic[KeyT, ValueT]):
    """The last so many values, by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[KeyT, ValueT] = OrderedDict()

    def get(self, key: KeyT) -> ValueT | None:
        """The value of `key`, or None."""
        return self._known.get(key)

    def keep(self, key: KeyT, value: ValueT) -> ValueT:
        """Remember it; the oldest is forgotten when there are too many."""
        self._known[key] = value
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return value
