"""The Claude simulator's own addresses: order faults, and read what it was asked."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx2

ANSWERS_WITHIN = timedelta(seconds=10)
Fault = Mapping[str, object]


@dataclass(frozen=True)
class Question:
    """One request to the Messages API, as the simulator's journal has it."""

    script: str
    turn: int
    status: int
    fault: str
    stop_reason: str
    request_id: str


@dataclass(frozen=True)
class Simulator:
    url: str

    async def does(self, *faults: Fault) -> None:
        """These faults and no others, one for each of the next requests."""
        async with self._http() as http:
            (await http.delete("/simulator/faults")).raise_for_status()
            (await http.post("/simulator/faults", json=list(faults))).raise_for_status()

    async def questions(self) -> list[Question]:
        """Everything that was asked of the Messages API."""
        async with self._http() as http:
            journal = (await http.get("/simulator/requests")).raise_for_status().json()
        names = Question.__dataclass_fields__
        return [
            Question(**{name: entry[name] for name in names})
            for entry in journal["requests"]
            if entry["path"] == "/v1/messages"
        ]

    async def until_asked(self, count: int) -> None:
        """Once the Messages API was asked that often."""
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            while len(await self.questions()) < count:
                await asyncio.sleep(0.05)

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=ANSWERS_WITHIN.total_seconds(), trust_env=False)
