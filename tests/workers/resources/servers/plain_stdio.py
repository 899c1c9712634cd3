"""A stdio MCP server of the handshake era without any SDK: it can be exact about what it breaks."""

import json
import os
import sys
from typing import Any

TOOLS = ["echo", "environment", "hang", "exit", "garbage", "unanswerable", "huge", "huge_id_last", "code"]


def send(message: dict[str, Any]) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}))


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tools() -> list[dict[str, Any]]:
    return [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]


def call(number: int, name: str, arguments: dict[str, Any]) -> None:
    match name:
        case "echo":
            answer(number, {"n": arguments.get("n"), "pid": os.getpid()})
        case "environment":
            answer(number, dict(os.environ))
        case "hang":
            sys.stderr.write("hanging\n")
        case "exit":
            os._exit(3)
        case "garbage":
            write(f'{{"jsonrpc":"2.0","id":{number},"result":{{{{{{')
        case "unanswerable":
            write("Traceback (most recent call last): something printed")
            answer(number, {"n": 0})
        case "huge":
            send({"id": number, "result": text("x" * arguments["bytes"])})
        case "huge_id_last":
            send({"result": text("x" * arguments["bytes"]), "id": number})
        case "code":
            send({"id": number, "error": {"code": arguments["code"], "message": "told so"}})


def text(content: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": content}]}


def answer(number: int, content: dict[str, Any]) -> None:
    send({"id": number, "result": {"content": [], "structuredContent": content, "isError": False}})


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        number, method = message.get("id"), message.get("method")
        if number is None:
            continue
        if method == "initialize":
            capabilities: dict[str, Any] = {"tools": {"listChanged": True}}
            about = {"name": "plain", "version": "1"}
            send(
                {
                    "id": number,
                    "result": {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": about},
                }
            )
        elif method == "tools/list":
            send({"id": number, "result": {"tools": tools()}})
        elif method == "tools/call":
            call(number, message["params"]["name"], message["params"].get("arguments") or {})
        else:
            send({"id": number, "error": {"code": -32601, "message": "unknown method"}})


if __name__ == "__main__":
    main()
