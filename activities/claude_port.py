"""The port to Claude: one question, one whole answer, and the two ways it can fail."""

from typing import Protocol

from pydantic import Field, JsonValue

from contracts.claude import Usage
from contracts.model import Model


class ClaudeTool(Model):
    """A tool as the Messages API takes it."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    description: str
    input_schema: dict[str, JsonValue]


class ClaudeQuestion(Model):
    """One request to the Messages API."""

    model: str
    max_tokens: int
    system: str
    messages: list[dict[str, JsonValue]]
    settled: tuple[int, ...] = ()
    """Messages up to these indexes will be the same for some turns: breakpoints of the cache."""
    closing: str = ""
    """Said last, behind the last breakpoint: it is another one at every turn."""
    clear_at_input_tokens: int = 0
    """From so many on the API itself leaves out the content of older results; 0: it does not."""
    keep_tool_uses: int = 5
    tools: tuple[ClaudeTool, ...] = ()
    answer_schema: dict[str, JsonValue] | None = None
    effort: str = ""
    conversation_id: str = ""
    """For traces: the workflow id."""


class ClaudeAnswer(Model):
    """One complete answer: raw blocks as received, in order."""

    content: list[JsonValue]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str


class ClaudeUnavailable(Exception):
    """Trying again can help: 408, 409, 429, 5xx, 529, connection failures, cut streams, a missing stop_reason."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None, request_id: str = "") -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id


class ClaudeRejected(Exception):
    """Trying again cannot help: 400, 401, 402, 403, 404, 413, 422, spend limits, a wrong content type."""

    def __init__(self, reason: str, request_id: str = "") -> None:
        super().__init__(reason)
        self.request_id = request_id


class Claude(Protocol):
    """The Messages API."""

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """One request, streamed to its end. Raises ClaudeUnavailable, ClaudeRejected. SDK retries are off."""
