"""Every automation by clients from npm, from its start to its ending: the table of `tests/end_to_end/by_client.py`."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.installed import FOLDER, NODE
from tests.end_to_end.by_client import TABLE, served
from tests.workers.resources.skills import TokenIssuer

ANSWERS_WITHIN_SECONDS = 60
LONGEST_ANSWER = 2**20


@dataclass(frozen=True)
class NpmClients:
    """Clients of the SDK from npm, one for each call, in one process."""

    process: asyncio.subprocess.Process
    issuer: TokenIssuer

    async def call(self, caller: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a tool answers."""
        assert self.process.stdin is not None and self.process.stdout is not None
        asked = {"token": self.issuer.token(sub=caller), "tool": tool, "given": dict(arguments)}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(ANSWERS_WITHIN_SECONDS):
            line = await self.process.stdout.readline()
        told = json.loads(line or '{"error": "it has ended"}')
        assert "said" in told, f"{tool}: {told['error']}"
        said: dict[str, Any] = told["said"]
        return said


@asynccontextmanager
async def npm_clients(url: str, issuer: TokenIssuer) -> AsyncIterator[NpmClients]:
    """Those of an endpoint; their process ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), "calls.mjs", url),
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
        limit=LONGEST_ANSWER,
    )
    try:
        yield NpmClients(process, issuer)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def problems_by_automation(folder: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """Each automation of the table, and what was not as it should be, one after the other."""
    async with served(folder) as at_work, npm_clients(at_work.url, at_work.issuer) as clients:
        for asked in TABLE:
            try:
                yield str(asked), await at_work.problems_of(asked, clients)
            except (AssertionError, TimeoutError) as problem:
                yield str(asked), [f"{type(problem).__name__}: {problem}"]
