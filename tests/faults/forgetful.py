"""The ledger switched off: every call looks new, and every attempt may send. To see that the suite sees duplicates."""

import dataclasses
from typing import Any

from activities.conversations import RunKey
from activities.ledger import Answered, Claim, KnownResult, Ledger, LedgerEntry, LedgerState
from contracts.model import Moment
from workers.assembly import Ports


class ForgetfulLedger:
    """Has never heard of any key."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner
        self._claimed: dict[str, LedgerEntry] = {}

    async def claim(self, claim: Claim, at: Moment) -> LedgerEntry:
        """As if for the first time."""
        entered = await self._inner.claim(claim, at)
        fresh = {"state": LedgerState.CLAIMED, "sends": 0, "first_sent_at": None, "outcome": None}
        self._claimed[claim.key] = entered.model_copy(update=fresh)
        return self._claimed[claim.key]

    async def send_new(self, claim: Claim, owner: str, at: Moment) -> LedgerEntry | None:
        """As if for the first time."""
        return await self.mark_sent(claim.key, (await self.claim(claim, at)).generation, owner, at)

    async def mark_sent(self, key: str, generation: int, owner: str, at: Moment) -> LedgerEntry | None:
        """Whoever asks may send."""
        await self._inner.mark_sent(key, generation, owner, at)
        return self._claimed[key].model_copy(update={"state": LedgerState.SENT, "sends": 1, "last_sent_at": at})

    async def finish(self, key: str, *given: Any, **said: Any) -> bool:
        """Noted, and forgotten."""
        await self._inner.finish(key, *given, **said)
        return True

    async def looked_up(self, key: str, generation: int, lookups: int, at: Moment) -> LedgerEntry | None:
        """Nothing was ever sent that could be looked up."""
        return None

    async def answered(self, question: str, since: Moment) -> Answered | None:
        """Nothing was ever asked."""
        return None

    async def written_since(self, resource: str, since: Moment, besides: str) -> bool:
        """Nothing was ever written."""
        return False

    async def release(self, key: str, generation: int, at: Moment | None = None) -> None:
        """Nothing to take back."""

    async def find(self, key: str) -> LedgerEntry | None:
        """Nothing stands."""
        return None

    async def sent(self, *run_and_tool: str) -> tuple[dict[str, Any], ...]:
        """What a run may undo is remembered still: a saga is not what is tested here."""
        return await self._inner.sent(*run_and_tool)

    async def results_of(self, run: RunKey, step: str, most: int) -> tuple[KnownResult, ...]:
        """Nothing was ever answered."""
        return ()


def without_ledger(ports: Ports) -> Ports:
    """`ports`, of which the ledger protects nothing."""
    return dataclasses.replace(ports, ledger=ForgetfulLedger(ports.ledger))
