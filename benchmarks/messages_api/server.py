"""The Messages API: one message for one request, whole or as a stream, and an account of what it was sent."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from benchmarks.exchange import Answered, Asked, Json
from benchmarks.goals import Goal
from benchmarks.messages_api.request import Refused, Request, read_request
from benchmarks.messages_api.script import Answer, answer, goal_of
from benchmarks.messages_api.watching import CHARACTERS_PER_TOKEN, Seen, Watch

ASKED_AGAIN_AFTER_SECONDS = "10"


@dataclass
class MessagesApi:
    """Answers at once, or refuses everything for a while."""

    watch: Watch = field(default_factory=Watch)
    refused: list[str] = field(default_factory=list)
    """What was refused, and why; nothing should be."""
    requests: int = 0
    overloaded: bool = False

    def handle(self, asked: Asked) -> Answered:
        """One request."""
        match asked.method, asked.path:
            case "POST", "/v1/messages":
                return _overloaded() if self.overloaded else self._message(asked)
            case "GET", "/bench/seen":
                return Answered.of({"requests": self.requests, "refused": self.refused})
            case "POST", "/bench/take":
                return Answered.of(self._take())
            case "POST", "/bench/overload" | "/bench/relieve":
                self.overloaded = asked.path == "/bench/overload"
                return Answered.of({"overloaded": self.overloaded})
            case _:
                return Answered.of({"status": "ok"}, 200 if asked.path == "/health" else 404)

    def _take(self) -> Json:
        """Everything that was seen since it was last taken, by conversation."""
        taken = {"seen": dict(self.watch.seen), "refused": self.refused}
        self.watch, self.refused = Watch(), []
        return taken

    def _message(self, asked: Asked) -> Answered:
        self.requests += 1
        request_id = f"req_bench_{self.requests}"
        try:
            request = read_request(asked)
            goal = goal_of(request)
            seen = self.watch.look(goal.name, request, len(asked.body))
            message = _message(request, answer(request, goal), seen, _id(goal, request))
        except Refused as refused:
            self.refused.append(str(refused))
            error = {"type": "invalid_request_error", "message": str(refused)}
            return Answered.of({"type": "error", "error": error, "request_id": request_id}, 400, request_id)
        if not request.stream:
            return Answered.of(message, 200, request_id)
        return Answered(200, "text/event-stream", b"".join(_events(message)), request_id)


def _overloaded() -> Answered:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    return replace(Answered.of({"type": "error", "error": error}, 529), retry_after=ASKED_AGAIN_AFTER_SECONDS)


def _id(goal: Goal, request: Request) -> str:
    """The same for the same request: a turn that is asked again names its tool call as before."""
    about = json.dumps([goal.name, len(request.messages), request.messages[-1]])
    return hashlib.blake2b(about.encode(), digest_size=10).hexdigest()


def _message(request: Request, said: Answer, seen: Seen, identity: str) -> Json:
    content: list[Json] = [{"type": "text", "text": said.text}]
    if said.tool:
        content.append({"type": "tool_use", "id": f"toolu_{identity}", "name": said.tool, "input": said.arguments})
    return {
        "id": f"msg_{identity}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": "tool_use" if said.tool else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "cache_creation_input_tokens": (seen.composed - seen.cached) // CHARACTERS_PER_TOKEN,
            "cache_read_input_tokens": seen.cached // CHARACTERS_PER_TOKEN,
            "output_tokens": len(said.text) // CHARACTERS_PER_TOKEN,
        },
    }


def _events(message: Json) -> Iterator[bytes]:
    """The message as it is streamed; words and arguments come in one piece each."""
    usage = message["usage"]
    head = message | {"content": [], "stop_reason": None}
    yield _event("message_start", {"message": head})
    for index, block in enumerate(message["content"]):
        empty, delta = _in_one_piece(block)
        yield _event("content_block_start", {"index": index, "content_block": empty})
        yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})
    stopped = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", {"delta": stopped, "usage": usage})
    yield _event("message_stop", {})


def _in_one_piece(block: Json) -> tuple[Json, Json]:
    if block["type"] == "text":
        return block | {"text": ""}, {"type": "text_delta", "text": block["text"]}
    return block | {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _event(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()
