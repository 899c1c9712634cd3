"""One supervised connection: opened when needed, owned by one task, replaced after its death."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from mcp import Client

from activities.toolbox import NotSent
from workers.resources.mcp_connections.failures import not_reachable
from workers.resources.mcp_connections.isolation import Severed

Opener = Callable[[Callable[[], None]], AbstractAsyncContextManager[Client]]
"""Opens a client. It is given what to call when the server's end has gone."""

_CLOSING_SECONDS = 10.0

logger = logging.getLogger(__name__)


class _Life:
    """One generation of the connection. Its client is entered and left by its own task alone."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        """No new calls: the server's end has gone, or it was retired."""
        self.free = asyncio.Event()
        """No call is under way."""
        self.free.set()
        self._calls = 0

    def enter(self) -> None:
        self._calls += 1
        self.free.clear()

    def leave(self) -> None:
        self._calls -= 1
        if self._calls == 0:
            self.free.set()


class Connection:
    """Gives every caller the same open client, and opens a new one when the last has died."""

    def __init__(
        self, server: str, opener: Opener, greet: Callable[[Client], Awaitable[None]], open_seconds: float
    ) -> None:
        self._server = server
        self._opener = opener
        self._greet = greet
        self._open_seconds = open_seconds
        self._life: _Life | None = None
        self._owners: set[asyncio.Task[None]] = set()
        self.generation = 0

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Client]:
        """The open client for one call, opened now if need be. Raises NotSent."""
        life = await self._living()
        life.enter()
        try:
            yield life.opened.result()
        finally:
            life.leave()

    async def open(self) -> None:
        """See to it that the connection was opened and greeted. Raises NotSent."""
        await self._opened()

    def retire(self, client: Client) -> None:
        """This client is of no more use. Calls under way on it come to their end; the next opens anew."""
        life = self._life
        if life and life.opened.done() and not life.opened.exception() and life.opened.result() is client:
            life.over.set()

    async def aclose(self) -> None:
        """Close, within a bounded time, whatever is under way."""
        if self._life:
            self._life.over.set()
            self._life.free.set()
        if not self._owners:
            return
        _, late = await asyncio.wait(self._owners, timeout=_CLOSING_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CLOSING_SECONDS)

    async def _living(self) -> _Life:
        for _ in range(2):
            life = await self._opened()
            if not life.over.is_set():
                return life
        raise NotSent(f"server {self._server!r} ends as soon as it is opened; look at its log and try again")

    async def _opened(self) -> _Life:
        life = self._life if self._life and not self._life.over.is_set() else self._begin()
        # Not the future itself: a caller that is cancelled must not cancel it for the others.
        await asyncio.wait({life.opened})
        if error := life.opened.exception():
            not_reachable(self._server, error)
        return life

    def _begin(self) -> _Life:
        life = self._life = _Life()
        self.generation += 1
        owner = asyncio.create_task(self._own(life, self.generation), name=f"mcp {self._server}")
        self._owners.add(owner)
        owner.add_done_callback(self._owners.discard)
        return life

    async def _own(self, life: _Life, generation: int) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._open_seconds):
                    client = await stack.enter_async_context(self._opener(life.over.set))
                    await self._greet(client)
                self._log("mcp_connection_opened", generation)
                life.opened.set_result(client)
                await life.over.wait()
                await life.free.wait()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the SDK groups, wraps and cancels
            self._log("mcp_connection_failed", generation)
            if not life.opened.done():
                life.opened.set_exception(error if isinstance(error, Exception) else Severed())
                life.opened.exception()  # seen, even when no caller is left to see it
        finally:
            life.over.set()
            self._log("mcp_connection_ended", generation)

    def _log(self, event: str, generation: int) -> None:
        logger.info(event, extra={"server": self._server, "generation": generation})
