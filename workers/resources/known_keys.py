"""The roster as it stood a moment ago, in memory: for checks in a workflow's validator, which must not wait."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from activities.authority import Authority, NothingInForce
from activities.evidence import problem_on_sight
from contracts.decisions import Decision
from contracts.deployment import Deployment
from contracts.roster import Roster
from workers.resources.store import StoreUnreachable

LOOKS_EVERY = timedelta(seconds=2)

logger = logging.getLogger(__name__)


class KnownKeys:
    """Says whether a decision is genuine, as far as that is known by now. The gate and the activities look again."""

    def __init__(self, authority: Authority, deployment: Deployment) -> None:
        self._authority, self._deployment = authority, deployment
        self._roster: Roster | None = None
        self._told = ""  # the problem that stands in the log

    def problem_with(self, decision: Decision) -> str:
        """Why the decision is not genuine, in one sentence; empty when it is, or when no roster was read yet."""
        if self._roster is None:
            return ""
        problem = problem_on_sight(decision, self._deployment, self._roster, datetime.now(UTC))
        return problem.sentence if problem else ""

    async def refresh(self) -> None:
        """Read the roster in force."""
        try:
            self._roster = await self._authority.roster()
            self._told = ""
        except (NothingInForce, StoreUnreachable) as problem:
            if str(problem) != self._told:
                logger.warning("roster_not_read", extra={"problem": str(problem)})
            self._told = str(problem)

    @asynccontextmanager
    async def kept_current(self) -> AsyncIterator[None]:
        """Inside the block the roster is read every two seconds."""
        await self.refresh()
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY.total_seconds())
            await self.refresh()
