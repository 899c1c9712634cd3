"""The Model Context Protocol of 2026-07-28 as two tools need it: one self-contained POST for every call."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.exchange import Answered, Asked, Json
from benchmarks.mcp_server.books import WrongCode, check, page

PROTOCOL = "2026-07-28"
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602
FRESH_MS = 3_600_000
PAGE_TOOL: Json = {
    "name": "page",
    "description": "Read one page of a book; each page holds what the next one takes.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "book": {"type": "string", "description": "name of the book"},
            "number": {"type": "integer", "minimum": 1, "description": "counts from 1"},
            "page_bytes": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "size of its pages"},
            "code": {"type": "string", "description": "code of row 1 of the page before; empty for page 1"},
            "recalled": {"type": "string", "description": "code of another page, where this one takes it"},
        },
        "required": ["book", "number", "page_bytes", "code"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}
POST_TOOL: Json = {
    "name": "post",
    "description": "Post one entry into the ledger.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "entry": {"type": "string", "description": "name of the entry"},
            "idempotency_key": {"type": "string", "description": "repeat it to repeat a call safely"},
        },
        "required": ["entry", "idempotency_key"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": False},
}


class NoSuch(ValueError):
    """There is no such method or tool."""


@dataclass
class McpServer:
    """The books, the ledger, and what was asked of them."""

    seed: str
    pages: Counter[str] = field(default_factory=Counter)
    """Book -> pages that were read."""
    refused: list[str] = field(default_factory=list)
    """Calls that were asked for wrongly."""
    posted: dict[str, float] = field(default_factory=dict)
    """Entry -> when its first call arrived, in seconds since 1970."""
    posts: Counter[str] = field(default_factory=Counter)
    """Entry -> calls that posted it."""

    def handle(self, asked: Asked) -> Answered:
        """One request."""
        arrived = time.time()
        if asked.path == "/mcp" and asked.method == "POST":
            return self._rpc(asked.json(), arrived)
        if asked.path == "/bench/counts":
            counts = {"pages": self.pages, "posted": self.posted, "posts": self.posts, "refused": self.refused}
            return Answered.of(counts)
        if asked.path == "/bench/forget":
            self.refused = []
        return Answered.of({"status": "ok"}, 200 if asked.path in ("/health", "/bench/forget") else 404)

    def _rpc(self, message: Json, arrived: float) -> Answered:
        if "id" not in message:
            return Answered(status=202, body=b"")
        about = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            return Answered.of(
                about | {"result": self._result(message["method"], message.get("params") or {}, arrived)}
            )
        except NoSuch as nothing:
            error = {"code": METHOD_NOT_FOUND, "message": str(nothing)}
            return Answered.of(about | {"error": error}, 404)

    def _result(self, method: str, params: Json, arrived: float) -> Json:
        match method:
            case "server/discover":
                found = {"supportedVersions": [PROTOCOL], "capabilities": {"tools": {}}}
                return _cacheable(found | {"serverInfo": {"name": "bench", "version": "1"}})
            case "tools/list":
                return _cacheable({"tools": [PAGE_TOOL, POST_TOOL]})
            case "tools/call":
                return self._called(str(params["name"]), params.get("arguments") or {}, arrived)
            case _:
                raise NoSuch(f"no method {method!r}")

    def _called(self, tool: str, arguments: Json, arrived: float) -> Json:
        match tool:
            case "page":
                return self._page(**arguments)
            case "post":
                self.posts[arguments["entry"]] += 1
                self.posted.setdefault(arguments["entry"], arrived)
                return _said(f'{{"entry": "{arguments["entry"]}", "posted": true}}')
            case _:
                raise NoSuch(f"no tool {tool!r}")

    def _page(self, book: str, number: int, page_bytes: int, code: str, recalled: str = "") -> Json:
        try:
            check(self.seed, book, number, page_bytes, code, recalled)
        except WrongCode as wrong:
            self.refused.append(str(wrong))
            return _said(str(wrong), failed=True)
        self.pages[book] += 1
        return _said(page(self.seed, book, number, page_bytes))


def _said(text: str, failed: bool = False) -> Json:
    content: list[Any] = [{"type": "text", "text": text}]
    return {"resultType": "complete", "content": content, "isError": failed}


def _cacheable(result: Json) -> Json:
    return {"resultType": "complete", "ttlMs": FRESH_MS, "cacheScope": "public"} | result
