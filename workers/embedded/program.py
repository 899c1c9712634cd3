"""One program to be kept alive, and how one sees that it is ready."""

import asyncio
import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from workers.embedded.polling import until
from workers.embedded.ports import LOCALHOST
from workers.embedded.temporal_server import until_serving

TAIL_BYTES = 64 * 1024  # a log may be huge


class Readiness(Protocol):
    async def until_ready(self, log: "LogSection") -> None:
        """Returns when the program is ready. Whoever awaits this bounds it, and watches for its death."""


@dataclass(frozen=True)
class LogSection:
    """What a program has written since it was started: its log file from there on."""

    file: Path
    start: int

    def text(self) -> str:
        return self._from(self.start)

    def tail(self, lines: int = 15) -> str:
        recent = max(self.start, self.file.stat().st_size - TAIL_BYTES)
        return "\n".join(self._from(recent).splitlines()[-lines:])

    def _from(self, start: int) -> str:
        with self.file.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")


@dataclass(frozen=True)
class Program:
    """A command, its whole environment (nothing else is inherited), and its sign of readiness."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)  # may hold a key
    ready: Readiness
    ready_within: timedelta = timedelta(seconds=60)
    stops_within: timedelta = timedelta(seconds=10)


@dataclass(frozen=True)
class HealthUrl:
    """Ready when GET on this address answers 200."""

    url: str

    async def until_ready(self, log: LogSection) -> None:
        await until(lambda: asyncio.to_thread(self._answers))

    def _answers(self) -> bool:
        # http.client, because it never sends what is meant for this machine through somebody's proxy.
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
        try:
            connection.request("GET", address.path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True)
class Listening:
    """Ready when it takes connections on this port of this machine."""

    port: int

    async def until_ready(self, log: LogSection) -> None:
        await until(lambda: asyncio.to_thread(self._answers))

    def _answers(self) -> bool:
        try:
            socket.create_connection((LOCALHOST, self.port), timeout=2).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class ReadyLine:
    """Ready when the program has written this line."""

    line: str

    async def until_ready(self, log: LogSection) -> None:
        async def written() -> bool:
            return self.line in log.text().splitlines()

        await until(written)


@dataclass(frozen=True)
class ServingTemporal:
    """Ready when this Temporal server is healthy and knows our search attributes."""

    address: str

    async def until_ready(self, log: LogSection) -> None:
        await until_serving(self.address)
