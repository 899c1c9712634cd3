"""What Claude is told of the calls of its previous turn: from ledger and store, or what the workflow notes."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import JsonValue, ValidationError

from activities.audit import Audit
from activities.clock import Clock
from activities.composing import OLDER, Block
from activities.context_files import Shown
from activities.conversations import Contents, Delta, RunKey
from activities.keys import idempotency_key
from activities.ledger import KnownResult, Ledger, LedgerEntry
from activities.results.previews import is_large, one_line, preview
from activities.results.reading import read_result
from activities.results.requests import READ_RESULT_NAME, CannotRead, ReadRequest
from activities.results.searching import search_results
from activities.results.shapes import shape_of
from contracts.audit import AuditKind, AuditRecord
from contracts.deployment import Deployment

STUB_FROM = 400
"""A result of fewer bytes is no longer than the line that would stand for it."""
SEARCHED = 2000
"""Results, the newest first."""
SEARCHED_BYTES = 8 * 1024 * 1024
"""Of those in which the words may stand."""


class Told(NamedTuple):
    """A result as it is shown, and the line that stands for it later (empty: it is short enough)."""

    text: str
    failed: bool
    older: str = ""


class TurnResults:
    """Reads results for one turn. Large ones are shown by their shape; reading further in them asks no server."""

    def __init__(self, ledger: Ledger, contents: Contents, audit: Audit, clock: Clock, deployment: Deployment) -> None:
        self._ledger, self._contents, self._audit = ledger, contents, audit
        self._clock, self._deployment = clock, deployment

    async def blocks(
        self, run: RunKey, conversation: str, previous: Delta, notes: Mapping[int, str], shown: Shown
    ) -> list[JsonValue]:
        """One tool_result per tool_use of the previous answer, in their order."""
        problems = {call.block: call.problem for call in (previous.outcome.calls if previous.outcome else ())}
        results: list[JsonValue] = []
        for index, block in enumerate(previous.assistant or []):
            if isinstance(block, dict) and block.get("type") == "tool_use":
                if note := notes.get(index) or problems.get(index):
                    told = Told(note, failed=True)
                elif block.get("name") == READ_RESULT_NAME:
                    told = await self._read_further(run, conversation, f"{previous.turn}.{index}", block, shown)
                else:
                    told = await self._result(run, conversation, previous, index, shown)
                results.append(_block(str(block["id"]), told))
        return results

    async def _result(self, run: RunKey, conversation: str, previous: Delta, index: int, shown: Shown) -> Told:
        occurrence = f"{previous.turn}.{index}"
        entry = await self._entry(run, conversation, occurrence)
        if entry is None or entry.outcome is None:
            return Told("this call was not made", failed=True)
        outcome = entry.outcome
        content = await self._contents.get(outcome.result.digest) if outcome.result else None
        if content is None:
            return Told(outcome.message or outcome.status.value, failed=not outcome.done)
        text = await asyncio.to_thread(_shown, content, f"r{occurrence}", shown)
        if outcome.age_seconds:
            text = f"[this was read {outcome.age_seconds} s ago; the server cannot be asked now]\n{text}"
        older = ""
        if len(text.encode()) > STUB_FROM:
            older = one_line(shape_of(content), f"r{occurrence}", _tool(previous, index), failed=not outcome.done)
        return Told(text, not outcome.done, older)

    async def _read_further(self, run: RunKey, conversation: str, occurrence: str, block: Block, shown: Shown) -> Told:
        """What Claude asks of results it has had, in this conversation alone. Auditors learn of every reading."""
        try:
            request = ReadRequest.model_validate(block.get("input"))
            text = await self._read(run, conversation, request, shown)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return Told(f"{'.'.join(map(str, first['loc'])) or 'arguments'}: {first['msg']}"[:400], failed=True)
        except CannotRead as cannot:
            return Told(str(cannot), failed=True)
        await self._tell(run, conversation, occurrence, request)
        older = f"[you read in {request.ref or 'all results'} here]" if len(text.encode()) > STUB_FROM else ""
        return Told(text, failed=False, older=older)

    async def _read(self, run: RunKey, conversation: str, request: ReadRequest, shown: Shown) -> str:
        if not request.ref:
            known = await self._ledger.results_of(run, conversation, SEARCHED)
            return await self._search(known, request.query, shown)
        entry = await self._entry(run, conversation, request.ref.removeprefix("r"))
        result = entry.outcome.result if entry is not None and entry.outcome is not None else None
        content = await self._contents.get(result.digest) if result is not None else None
        if content is None:
            raise CannotRead(f"ref: there is no result {request.ref!r} in this conversation")
        return await asyncio.to_thread(read_result, content, request, shown.result_bytes)

    async def _search(self, known: Iterable[KnownResult], query: str, shown: Shown) -> str:
        found: list[tuple[str, str, bytes]] = []
        size = 0
        for each in known:
            content = await self._contents.get(each.address)
            if content is not None and _may_hold(content, query):
                size += len(content)
                if size > SEARCHED_BYTES:
                    break
                found.append((f"r{each.occurrence}", each.tool, content))
        return await asyncio.to_thread(search_results, found, query, shown.result_bytes)

    async def _entry(self, run: RunKey, conversation: str, occurrence: str) -> LedgerEntry | None:
        return await self._ledger.find(idempotency_key(self._deployment.id, run, conversation, occurrence))

    async def _tell(self, run: RunKey, conversation: str, occurrence: str, request: ReadRequest) -> None:
        where = f"{conversation} {occurrence}"
        record = AuditRecord(
            kind=AuditKind.READ,
            at=await self._clock.now(),
            **run.model_dump(),
            who="Claude",
            about=f"{request.ref or 'results'} of {conversation}"[:200],
            facts={"turn": occurrence},
            once=where[:200],
        )
        await self._audit.append(record)


def _may_hold(content: bytes, query: str) -> bool:
    """Whether it is worth a closer look: the words stand in it, or something is written otherwise than it reads."""
    text = content.decode(errors="replace")
    return "\\" in text or query.casefold() in text.casefold()


def _block(tool_use_id: str, told: Told) -> Block:
    block: Block = {
        "type": "tool_result",
        "tool_use_id": tool_use_id,
        "content": told.text,
        "is_error": told.failed,
    }
    return block | {OLDER: told.older} if told.older else block


def _shown(content: bytes, ref: str, shown: Shown) -> str:
    if is_large(content, shown.result_bytes):
        return preview(content, ref, shown.result_bytes)
    return content.decode(errors="replace")


def _tool(previous: Delta, block: int) -> str:
    calls = previous.outcome.calls if previous.outcome else ()
    return next((f"{call.server}.{call.tool}" for call in calls if call.block == block), "")
