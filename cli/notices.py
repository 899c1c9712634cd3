"""`interlock notices`: what could not be told to people, and what is still on its way; sending it anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from activities.notices import NoticeRow, NoticeState
from cli import exits
from cli.exits import NotReachable, WrongInput
from cli.office import office_here, settings_with_store
from cli.operating import store_exists
from cli.printing import say, say_json, say_table, short_time
from cli.server import someone

if TYPE_CHECKING:
    from workers.office import Office

app = typer.Typer(no_args_is_help=True, add_completion=False)

_MOST = 200
"""Of each kind; the newest of what is undeliverable, the next of what waits."""


@app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> int:
    """List the notices that are undeliverable or still wait, with what stood in their way."""
    rows = asyncio.run(_unsent())
    if as_json:
        # Neither address nor text: who is told of which request is all an operator needs.
        say_json([row.model_dump(mode="json", exclude={"notice": {"address", "subject", "body"}}) for row in rows])
        return exits.DONE
    if not rows:
        say("no notice is undeliverable, and none waits")
        return exits.DONE
    columns = ("notice", "channel", "to", "event", "request", "state", "attempts", "next or given up", "problem")
    say_table(columns, [_cells(row) for row in rows])
    if lost := next((row for row in rows if row.state is NoticeState.UNDELIVERABLE), None):
        say(f"next: interlock notices retry {lost.notice.id}")
    return exits.DONE


@app.command("retry")
def retry_command(
    notice_id: Annotated[str, typer.Argument(help="The notice, as `interlock notices list` names it.", metavar="ID")],
    by: Annotated[
        str, typer.Option("--as", help="Who asks; the record will have it.", envvar="INTERLOCK_APPROVER")
    ] = "",
) -> int:
    """Send a notice anew, with all its attempts, on every channel where it was not sent."""
    channels = asyncio.run(_again(notice_id, someone("--as", by)))
    if not channels:
        raise WrongInput(f"no notice {notice_id!r} is unsent; `interlock notices list` shows those that are")
    say(f"{notice_id} is sent anew by {channels} channel{'s' if channels > 1 else ''}, as soon as a worker runs")
    say("next: interlock notices list")
    return exits.DONE


async def _unsent() -> list[NoticeRow]:
    async with _office() as office:
        return [*await office.outbox.undeliverable(_MOST), *await office.outbox.waiting(_MOST)]


async def _again(notice_id: str, by: str) -> int:
    async with _office() as office:
        return await office.outbox.again(notice_id, by, datetime.now(UTC))


@asynccontextmanager
async def _office() -> "AsyncIterator[Office]":
    if not store_exists(settings_with_store()):
        raise NotReachable("there is no store yet; `interlock worker` makes it, where INTERLOCK_STORE says")
    async with office_here() as office:
        yield office


def _cells(row: NoticeRow) -> tuple[str, ...]:
    notice = row.notice
    return (
        notice.id,
        row.channel,
        notice.recipient,
        notice.event.value,
        notice.request_id,
        row.state.value,
        str(row.attempts),
        short_time(row.next_at),
        row.last_problem,
    )
