"""A stdio MCP server of the handshake era that publishes what stands in a file, and announces when told to."""

import json
import sys
from pathlib import Path
from typing import Any

SAID = Path(sys.argv[1])
"""{"tools": [...], "instructions": "..."}; read anew for every listing."""


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(method: str) -> dict[str, Any] | None:
    said = json.loads(SAID.read_text())
    match method:
        case "initialize":
            about = {"name": "changing", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            known = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": about}
            return known | {"instructions": said["instructions"]} if "instructions" in said else known
        case "tools/list":
            return {"tools": said["tools"]}
        case "tools/call":
            send(method="notifications/tools/list_changed")
            return {"content": [{"type": "text", "text": "announced"}]}
        case _:
            return None


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answer(message["method"])
        if result is None:
            send(id=message["id"], error={"code": -32601, "message": "unknown method"})
        else:
            send(id=message["id"], result=result)


if __name__ == "__main__":
    main()
