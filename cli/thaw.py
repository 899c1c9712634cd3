"""`interlock thaw`: take a freeze back."""

import asyncio
from typing import Annotated

import typer

from cli import exits
from cli.printing import say, say_json
from cli.server import someone


def thaw(
    named: Annotated[str, typer.Argument(help="The freeze, as `interlock freeze --list` names it.", metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept, and operators are told.")],
    name: Annotated[str, typer.Option("--as", help="Who you are.", envvar="INTERLOCK_APPROVER")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Take a freeze back: what waited goes on by itself within fifteen seconds."""
    from activities.freezes import LATEST
    from cli.freezing import take_back

    thawed, others = asyncio.run(take_back(named, reason, someone("--as", name)))
    if as_json:
        say_json({"thawed": thawed.id, "standing": [each.model_dump(mode="json") for each in others]})
        return exits.DONE
    say(f"thawed: {thawed.what}, {thawed.id}; what waited goes on within {int(LATEST.total_seconds())} s")
    for each in others:
        say(f"still frozen, as {each.id}: {each.sentence()}")
    return exits.DONE
