"""Talking with whoever called, while the call is under way: progress, and a question where the client can ask one.

Through 2025-11-25 a question is a request to the client on the call's own stream. Since 2026-07-28 servers ask nothing:
the call ends with what is wanted, and comes again with the answer.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp_types import (
    CallToolRequestParams,
    ClientCapabilities,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from workers.resources.skills.desk import Interrupted

Context = ServerRequestContext[Any, Any]
_ANSWER: Final = "answer"


class InputNeeded(Interrupted):
    """The call ends here, and comes again with an answer."""

    def __init__(self, about: str, request: ElicitRequest) -> None:
        super().__init__(about)
        self.result = InputRequiredResult(input_requests={about: request})


class Talking:
    """The port `workers.resources.skills.desk.Talk` over one request of one client."""

    def __init__(self, context: Context, params: CallToolRequestParams) -> None:
        self._context, self._given = context, params.input_responses or {}
        self._told = 0

    async def tell(self, message: str) -> None:
        """Each report is one further than the last; clients that did not ask for any get none."""
        self._told += 1
        await self._context.session.report_progress(self._told, None, message)

    async def ask(self, about: str, message: str, answers: Sequence[str], within: float) -> str | None:
        """See the port. Raises InputNeeded, which ends the call, in the protocol's modern era."""
        if not _can_ask(self._context.session.client_capabilities):
            return None
        if about in self._given:
            return _answer(self._given[about], answers)
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {_ANSWER: {"type": "string", "title": "What now?", "enum": list(answers)}},
            "required": [_ANSWER],
        }
        if self._context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            form = ElicitRequestFormParams(message=message, requested_schema=schema)
            raise InputNeeded(about, ElicitRequest(params=form))
        try:
            async with asyncio.timeout(within):
                said = await self._context.session.elicit_form(message, schema, self._context.request_id)
        except (TimeoutError, MCPError, ValueError):  # it did not answer, cannot be asked, or made no sense
            return None
        return _answer(said, answers)


def _can_ask(client: ClientCapabilities | None) -> bool:
    """A client that declares elicitation without a mode can show a form."""
    asks = client.elicitation if client is not None else None
    return asks is not None and (asks.form is not None or asks.url is None)


def _answer(said: object, answers: Sequence[str]) -> str | None:
    if not isinstance(said, ElicitResult) or said.action != "accept":
        return None
    given = (said.content or {}).get(_ANSWER)
    return given if isinstance(given, str) and given in answers else None
