"""A client with a manager's token, and without anybody's key, that tries every tool with every class of argument."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

from mcp import Client, MCPError
from mcp_types import Tool

from contracts.decisions import Decision, Verdict
from contracts.signing import SignedFor, sign
from tests.authority import Signer
from tests.cli.front_desk import FIONA, RITA, FrontDesk, document
from workers.resources.skills_file import Persona, Skills

A_MANAGER = Skills(
    personas={"manager": Persona.model_validate({"roles": ["finance_manager"], "starts": ["refund"], "decides": True})}
)
"""Who decides, and oversees nothing: none of the runs that are attacked are theirs."""
MALLORY = Signer("mallory", ("finance_manager",))
"""Somebody whom the roster does not know."""

_DEEP: Any = {}
for _ in range(80):
    _DEEP = {"a": _DEEP}
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    10**30,
    1.5,
    1e308,
    "",
    " ",
    "approve",
    "refund/A-17'; DROP TABLE requests; --",
    "../../etc/passwd",
    "$(interlock approvals approve x)",
    "\u202eelbisrever\u0000\u001b[2J",
    "\ud800",
    "x" * 200_000,
    [],
    ["approve"] * 5000,
    {"verdict": "approve"},
    {"__proto__": {"decided": True}, "constructor": "approve"},
    _DEEP,
)
"""One of each class of value."""
_ELSEWHERE: tuple[dict[str, str], ...] = (
    {"deployment": "another"},
    {"namespace": "another"},
    {"first_run_id": "another"},
    {"action_digest": "sha256:" + "0" * 64},
    {"display_digest": "sha256:" + "0" * 64},
    {"approver": "fiona"},
)
"""What a genuine signature may stand under, that is not this request as it was shown."""
INVENTED = ("verdict", "approved", "decision", "force", "requester", "on_behalf_of", "signature", "_meta", "as")
"""Arguments that no tool has."""

Attack = tuple[str, bool]
"""What was tried, and whether anything was taken for a decision, a start or a cancel."""


async def attacks(
    desk: FrontDesk, client: Client, run: str, other: str, used: Decision, utf8: bool = False
) -> AsyncIterator[Attack]:
    """Every attempt on `run`, a refund that waits for a finance manager; `other` is one more of the same kind.

    `used` is a statement that has counted, for a third. `utf8`: only what can be sent as that.
    """
    for tool in (await client.list_tools()).tools:
        for arguments in filter(_is_utf8, _arguments(tool, run)) if utf8 else _arguments(tool, run):
            yield await _attempt(client, tool.name, arguments)
    async for statement in _statements(desk, run, other):
        for form in (statement, json.dumps(statement)):
            yield await _attempt(client, "approve", {"request": f"{run}#1", "statement": form})
    for request in (f"{run}#1", f"{run}#2", used.approval_id):
        yield await _attempt(client, "approve", {"request": request, "statement": _plain(used)})
        renamed = used.model_copy(update={"approval_id": request, "workflow_id": request.rpartition("#")[0]})
        yield await _attempt(client, "approve", {"request": request, "statement": _plain(renamed)})


def _arguments(tool: Tool, run: str) -> Iterator[dict[str, Any]]:
    taken = tool.input_schema["properties"]
    right = {name: value for name, value in {"run": run, "request": f"{run}#1"}.items() if name in taken}
    for name in taken:
        yield from ({**right, name: value} for value in (VALUES if name == "statement" else VALUES[::2]))
    yield from ({**right, name: value} for name, value in zip(INVENTED, VALUES, strict=False))
    yield {**right, "verdict": "approve", "approver": "fiona"}


def _is_utf8(arguments: dict[str, Any]) -> bool:
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


async def _statements(desk: FrontDesk, run: str, other: str) -> AsyncIterator[Any]:
    """Statements about the run, none of which a finance manager has made for it."""
    people = desk.people
    genuine = await desk.statement(run, people.frank)
    another = await desk.statement(other, people.frank)
    unsigned = genuine.model_copy(update={"key_id": None, "nonce": None, "signature": None})
    yield _plain(unsigned)
    yield _plain(unsigned.model_copy(update={"approver": "fiona", "key_id": people.fiona.key_id}))
    yield _plain(another)
    yield _plain(another.model_copy(update={"approval_id": f"{run}#1"}))
    yield _plain(another.model_copy(update={"approval_id": f"{run}#1", "workflow_id": run}))
    for changed in _altered(genuine):
        yield _plain(changed)
    for change in _ELSEWHERE:
        yield _plain(people.frank.signed(unsigned, **change))
    for signed, ends in ((-120, -60), (-1, 0), (600, 1200)):
        moments = {"issued_at": signed, "expires_at": ends}
        at = {name: genuine.issued_at + timedelta(minutes=minutes) for name, minutes in moments.items()}
        yield _plain(people.frank.signed(unsigned, **at))
    for signer in (MALLORY, people.desk, people.rita, people.ruben, people.sam):
        yield _plain(signer.signed(unsigned))
        yield _plain(signer.signed(unsigned, approver="frank"))
        yield _plain(signer.signed(unsigned, key_id=people.frank.key_id, approver="frank"))
    for_a_start = sign(people.desk.key, SignedFor.START, genuine)
    yield _plain(genuine.model_copy(update={"signature": for_a_start}))
    yield {**_plain(unsigned), "signature": "A" * 86, "key_id": "k-" + "0" * 32, "nonce": "n" * 24}
    yield {"decision": _plain(genuine)}
    yield [_plain(genuine)]
    for field in Decision.model_fields:
        yield {name: value for name, value in _plain(unsigned).items() if name != field}


def _altered(genuine: Decision) -> Iterator[Decision]:
    """A genuine statement, with something changed in it since."""
    digest = "sha256:" + "0" * 64
    for change in (
        {"approver": "fiona"},
        {"note": "and more"},
        {"verdict": Verdict.REJECT},
        {"expires_at": genuine.expires_at - timedelta(minutes=1)},
        {"issued_at": genuine.issued_at - timedelta(minutes=1)},
        {"nonce": "n" * 24},
        {"action_digest": digest},
        {"display_digest": digest},
        {"first_run_id": "another"},
        {"deployment": "another"},
        {"namespace": "another"},
        {"key_id": MALLORY.key_id},
        {"signature": (genuine.signature or "")[::-1]},
    ):
        yield genuine.model_copy(update=change)


def _plain(decision: Decision) -> Any:
    return decision.model_dump(mode="json", exclude_none=True)


async def _attempt(client: Client, tool: str, arguments: dict[str, Any]) -> Attack:
    tried = f"{tool} {repr(arguments)[:300]}"
    try:
        result = await client.call_tool(tool, arguments, read_timeout_seconds=20)
    except (MCPError, ValueError, RecursionError):  # refused before any tool saw it, or by the client's own encoder
        return tried, False
    answer = result.structured_content
    if result.is_error or not isinstance(answer, dict):
        return tried, False
    decided = bool(answer.get("decided"))
    return tried, decided or (tool in ("cancel_run", "run_status", "wait_for_run") and "run" in answer)


async def a_used_statement(desk: FrontDesk, order: str) -> Decision:
    """What frank has signed for a refund, once the credit is made."""
    run = await desk.waiting(RITA, order)
    signed = await desk.statement(run, desk.people.frank)
    async with desk.client(FIONA) as managers, desk.client(RITA) as requester:
        given = {"request": f"{run}#1", "statement": _plain(signed)}
        assert document(await managers.call_tool("approve", given))["decided"]
        assert document(await requester.call_tool("wait_for_run", {"run": run}))["state"] == "refunded"
    return signed
