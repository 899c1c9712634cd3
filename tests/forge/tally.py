"""What became of the forgeries: counted by kind, place and refusing check; and what must not have happened."""

from collections import Counter
from dataclasses import dataclass, field

from contracts.decisions import Check
from tests.forge.kinds import KINDS, Kind, Place


@dataclass
class Tally:
    """The count; `seed` makes it again."""

    seed: int
    refused: Counter[tuple[str, Place, str]] = field(default_factory=Counter)
    """Kind, place and refusing check."""
    accepted: list[str] = field(default_factory=list)
    wrong_check: list[str] = field(default_factory=list)
    not_new: list[str] = field(default_factory=list)
    effects: int = 0
    """Calls that left for a server although nobody had signed them."""

    @property
    def tried(self) -> int:
        """How many there were."""
        return sum(self.refused.values()) + len(self.accepted)

    @property
    def clean(self) -> bool:
        """Nothing counted, nothing happened, every forgery was new, and each was refused by its own check."""
        return not (self.accepted or self.wrong_check or self.not_new or self.effects)

    def refuse(self, kind: Kind, place: Place, check: Check | None, reason: str) -> None:
        """Count a refusal, and note it when another check made it."""
        named = check.value if check else "?"
        self.refused[kind.name, place, named] += 1
        if check is not kind.refused_at(place):
            wanted = kind.refused_at(place).value
            self.wrong_check.append(f"{kind.name} ({place}): {named}, not {wanted}: {reason}")

    def add(self, other: "Tally") -> None:
        """Count what was tried elsewhere with the same seed."""
        self.refused.update(other.refused)
        self.accepted += other.accepted
        self.wrong_check += other.wrong_check
        self.not_new += other.not_new
        self.effects += other.effects

    def rows(self) -> list[str]:
        """The table: kind, and for each place the refusing check with its count; `*`: signed by an enrolled key."""
        rows = [f"{'kind (* re-signed by an enrolled key)':42}" + "".join(f"{place.value:28}" for place in Place)]
        for kind in KINDS:
            cells = (f"{self._cell(kind, place):28}" for place in Place)
            rows.append(f"{('* ' if kind.resigned else '  ') + kind.name:42}{''.join(cells)}".rstrip())
        return rows

    def _cell(self, kind: Kind, place: Place) -> str:
        found = {
            check: count for (name, where, check), count in self.refused.items() if (name, where) == (kind.name, place)
        }
        return ", ".join(f"{check} {count:,}" for check, count in sorted(found.items())) or "-"

    def troubles(self, at_most: int = 20) -> list[str]:
        """What must not have happened, in words."""
        effects = [f"{self.effects} effects happened"] if self.effects else []
        named = {"accepted": self.accepted, "wrong check": self.wrong_check, "not new": self.not_new}
        return effects + [f"{what}: {each}" for what, found in named.items() for each in found[:at_most]]
