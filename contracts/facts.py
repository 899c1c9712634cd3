"""What a system of record says, as a run keeps it: read again after a wait, and held against what it said before."""

from typing import Self

from contracts.model import Model


class Facts(Model):
    """Subclasses name the facts, each None until it was read."""

    def changes_to(self, now: Self) -> str:
        """What is different now, field by field; empty when nothing is."""
        before, after = self.model_dump(), now.model_dump()
        return "; ".join(f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name])
