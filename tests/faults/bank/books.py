"""The bank's books: what an arriving call changes. They are made of the journal, so that processes can share them."""

import time
from pathlib import Path

from pydantic import JsonValue

from tests.faults.bank.journal import Journal, Line, What, Writer


class KeyMisused(ValueError):
    """A key came back with another matter: the caller has confused two intentions."""


class Books:
    """Which keys were seen, and what every account is set to."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.jsonl")
        self._read_to = 0
        self._keys: dict[str, tuple[str, str]] = {}
        self._set_to: dict[str, tuple[str, int]] = {}
        self._orders: dict[str, list[str]] = {}

    def arrives(self, tool: str, memo: str, key: str = "") -> None:
        """A call is here; what comes of it follows."""
        with self.journal.held() as writer:
            writer.append(Line(what=What.ARRIVAL, tool=tool, memo=memo, at=time.time(), key=key))

    def reads(self, memo: str, account: str) -> None:
        """Somebody has looked; nothing changes."""
        with self.journal.held() as writer:
            writer.append(Line(what=What.READ, tool="balance", memo=memo, at=time.time(), account=account))

    def once(self, tool: str, memo: str, account: str, cents: int, key: str) -> bool:
        """Do it, unless this key was seen. Raises KeyMisused. False: it was done before."""
        with self.journal.held() as writer:
            self._catch_up(writer)
            known = self._keys.get(key)
            if known is not None and known != (tool, memo):
                raise KeyMisused(f"the key {key!r} stands for {known}, not for {(tool, memo)}")
            self._append(writer, What.REPEAT if known else What.EFFECT, tool, memo, account, cents, key)
            return known is None

    def sets(self, memo: str, account: str, cents: int) -> bool:
        """Set an account to a value. False: the same caller had set it to that, and it still was."""
        with self.journal.held() as writer:
            self._catch_up(writer)
            repeated = self._set_to.get(account) == (memo, cents)
            self._append(writer, What.REPEAT if repeated else What.EFFECT, "set_limit", memo, account, cents, "")
            return not repeated

    def adds(self, tool: str, memo: str, account: str, cents: int, key: str = "") -> None:
        """Do it, however often it was done."""
        with self.journal.held() as writer:
            self._append(writer, What.EFFECT, tool, memo, account, cents, key)

    def orders(self, reference: str) -> list[str]:
        """The matters of the orders that came with this reference."""
        with self.journal.held() as writer:
            self._catch_up(writer)
        return self._orders.get(reference, [])

    def _append(self, writer: Writer, what: What, tool: str, memo: str, account: str, cents: int, key: str) -> None:
        writer.append(Line(what=what, tool=tool, memo=memo, at=time.time(), account=account, cents=cents, key=key))

    def _catch_up(self, writer: Writer) -> None:
        lines, self._read_to = writer.read_from(self._read_to)
        for line in lines:
            if line["what"] == What.EFFECT:
                self._take(line)

    def _take(self, line: dict[str, JsonValue]) -> None:
        tool, memo, key = str(line["tool"]), str(line["memo"]), str(line["key"])
        if tool == "set_limit":
            self._set_to[str(line["account"])] = (memo, int(str(line["cents"])))
        elif tool == "place_order":
            self._orders.setdefault(key, []).append(memo)
        elif key:
            self._keys[key] = (tool, memo)
