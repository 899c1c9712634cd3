"""How each declared server is doing: breaker, freezes, limits, and what went to it. No server is talked to."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import JsonValue

from activities.breakers import Breaker, failed, position
from activities.freezes import Standing as Freeze
from cli import exits
from cli.freezing import standing_freezes
from cli.office import office_here
from cli.operating import declared_servers, operators_settings, store_exists
from cli.printing import say, say_json, say_table, short_time, time_left
from contracts.freezing import FreezeScope
from contracts.model import rfc3339
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.resources.servers_file import ServerDeclaration
    from workers.resources.store.traffic import Traffic

LAST_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Standing:
    """One declared server as the store knows it at a moment."""

    server: "ServerDeclaration"
    breaker: Breaker
    traffic: "Traffic"
    at: datetime
    freezes: tuple[Freeze, ...] = ()
    """All that stand, over this server or not."""


def show_health(as_json: bool) -> int:
    """Print it. Raises CommandFailed."""
    settings = operators_settings()
    standings = asyncio.run(_standings(settings, declared_servers(settings)))
    if as_json:
        say_json([_document(standing) for standing in standings])
        return exits.DONE
    say_table(tuple(COLUMNS), [tuple(cell(standing) for cell in COLUMNS.values()) for standing in standings])
    for freeze in standings[0].freezes if standings else ():
        say(f"{freeze.sentence()}; take it back: {freeze.thaw_command}")
    ill = next((standing for standing in standings if standing.breaker.open), None)
    say('next: look into the runbook, "A server does not answer"' if ill else "next: interlock servers list")
    return exits.DONE


async def _standings(settings: Settings, declared: Sequence["ServerDeclaration"]) -> list[Standing]:
    """Before a worker has made the store nothing was ever called."""
    from workers.resources.store.traffic import Traffic, traffic

    now = datetime.now(UTC)
    breakers: dict[str, Breaker] = {}
    sent: dict[str, Traffic] = {}
    freezes: tuple[Freeze, ...] = ()
    if store_exists(settings):
        async with office_here() as office:
            breakers, freezes = await office.store.breakers.standing(), await standing_freezes(office)
            sent = await asyncio.to_thread(
                office.store.at_one_moment, lambda connection: traffic(connection, now - LAST_HOUR)
            )
    return [
        Standing(
            server,
            breakers.get(server.name, Breaker(server=server.name)),
            sent.get(server.name, Traffic()),
            now,
            freezes,
        )
        for server in declared
    ]


def _failures(standing: Standing) -> str:
    rule = standing.server.breaker
    return f"{failed(standing.breaker, standing.at)} of {rule.window}, opens above {rule.failures:.0%}"


def _until(standing: Standing) -> str:
    breaker = standing.breaker
    if not breaker.open or breaker.open_until is None:
        return ""
    return time_left(breaker.open_until)


def _over(standing: Standing) -> list[Freeze]:
    """The freezes over the server or a tool of it."""
    name = standing.server.name
    return [freeze for freeze in standing.freezes if freeze.covers("", name, freeze.target.removeprefix(f"{name}."))]


def _frozen(standing: Standing) -> str:
    """What of the server is frozen, whatever automation calls it."""
    over = _over(standing)
    whole = any(freeze.scope is not FreezeScope.TOOL for freeze in over)
    return "all of it" if whole else ", ".join(sorted(freeze.target for freeze in over)) or "nothing"


def _rate(standing: Standing) -> str:
    rate = standing.server.limits.rate
    return f"{rate.calls} in {rate.seconds} s" if rate else "any"


def _last_hour(standing: Standing) -> str:
    return f"{standing.traffic.calls} calls, {standing.traffic.unanswered} unanswered"


COLUMNS: dict[str, Callable[[Standing], str]] = {
    "server": lambda standing: standing.server.name,
    "breaker": lambda standing: position(standing.breaker, standing.at).value,
    "since": lambda standing: short_time(standing.breaker.changed_at if standing.breaker.generation else None),
    "tried again": _until,
    "frozen": _frozen,
    "failures": _failures,
    "at a time": lambda standing: f"{standing.server.limits.concurrency} a worker",
    "rate": _rate,
    "last hour": _last_hour,
    "last problem": lambda standing: standing.breaker.problem,
}
"""Heading -> cell."""


def _document(standing: Standing) -> JsonValue:
    server, breaker = standing.server, standing.breaker
    return {
        "name": server.name,
        "owner": server.owner,
        "breaker": {
            "position": position(breaker, standing.at).value,
            "since": rfc3339(breaker.changed_at) if breaker.changed_at and breaker.generation else None,
            "open_until": rfc3339(breaker.open_until) if breaker.open_until else None,
            "opens_in_a_row": breaker.opens_in_a_row,
            "failures": failed(breaker, standing.at),
            "last_problem": breaker.problem,
        },
        "frozen": [freeze.model_dump(mode="json") for freeze in _over(standing)],
        "rule": server.as_rules().breaker.model_dump(mode="json"),
        "limits": server.as_rules().limits.model_dump(mode="json"),
        "last_hour": {"calls": standing.traffic.calls, "unanswered": standing.traffic.unanswered},
    }
