"""A way through an automation: what is asked for, what people say, and what must then stand in the books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.decisions import Verdict
from contracts.roster import Roster
from demo.mcp_servers.people_records.records import PaperKind
from tests.authority import NOBODY
from tests.demo_servers import Fault

OLGA = "olga"
"""She is asked where nobody else is."""
Effects = Mapping[str, tuple[Mapping[str, Any], ...]]
"""`server.table` -> every row that is new or changed at the end, by the columns that matter. No other table changes."""


@dataclass(frozen=True)
class Journey:
    """One way through an automation."""

    name: str
    automation: str
    request: Mapping[str, Any]
    ending: str
    """The final state in which it must end, wherever its worker was killed."""
    effects: Effects = field(default_factory=dict)
    claude: tuple[Any, ...] = ()
    """What Claude answers, turn by turn."""
    inside: tuple[Any, ...] = ()
    """What Claude answers in a run that this one starts inside it."""
    simulated: bool = False
    """Claude answers as the demo's simulator has it, by what it is asked."""
    people: tuple[tuple[Verdict, str], ...] = ()
    """What is said to what the run asks, and by whom, in this order."""
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """`server.tool` -> what becomes of every call of it."""
    hands_in: tuple[str, PaperKind] | None = None
    """The state in which a paper is handed in, and which."""
    stored: tuple[PaperKind, ...] = ()
    """Papers that stand in the records before it begins."""
    after: "Journey | None" = None
    """What ended in the same books before it begins."""
    requester: str = "rita"
    roster: Roster = NOBODY
    rules: tuple[str, ...] = ()
    """Rules that are in force beside those of this repository."""
