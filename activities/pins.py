"""The port to manifest pins: the digests of tool definitions that an operator has accepted."""

from datetime import datetime
from typing import Protocol


class Pins(Protocol):
    """One pin in force per server and tool."""

    async def first_contact(self, server: str, tool: str, pin: str, definition: bytes, at: datetime) -> str:
        """Accept `pin` if the tool was never seen, and return the pin in force (development mode)."""

    async def accepted(self, server: str, tool: str) -> str:
        """The pin in force; empty when nobody accepted one."""
