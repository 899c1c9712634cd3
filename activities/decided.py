"""The port to the record of decisions: a nonce counts for one statement, and nobody decides without end."""

from typing import Protocol

from contracts.decisions import Decision
from contracts.model import Moment


class Decided(Protocol):
    """Every write commits before it returns."""

    async def use(self, decision: Decision, approver: str, at: Moment) -> bool:
        """Use the decision's nonce for exactly this statement; again for the same one changes nothing.

        False: another statement has used it. `approver` is the subject; the audit chain has it in the same transaction.
        """

    async def taken_at(self, decision: Decision) -> Moment | None:
        """When exactly this statement was taken on its arrival; None when it never was."""

    async def count_since(self, approver: str, since: Moment, besides: Decision | None = None) -> int:
        """How many decisions of this person were taken since then, besides `besides`."""

    async def notes(self, first_run_id: str, approval_id: str) -> tuple[tuple[str, str], ...]:
        """Approver and content address of the note, for every decision on one request that has one, oldest first."""

    async def deciders(self, first_run_id: str, approval_id: str) -> tuple[str, ...]:
        """The people whose decisions on one request were taken, each once, the first one first."""
