"""What the commands print: one fact per line; nothing from outside reaches the terminal unescaped."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import typer
from pydantic import JsonValue

from contracts.claude import Usage
from contracts.escaping import plain

MAX_LINE = 200_000


def say(line: str = "") -> None:
    """One fact, on standard output. Escapes the whole line, so that no caller can forget to."""
    typer.echo(plain(line, MAX_LINE))


def tell(line: str) -> None:
    """One line beside the result, on standard error."""
    typer.echo(plain(" ".join(line.split()), MAX_LINE), err=True)


def say_json(document: JsonValue) -> None:
    """The one JSON document of a command; ASCII, so that no terminal can act on it."""
    typer.echo(json.dumps(document, indent=2))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for people; tabs between the cells when no terminal listens."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (columns, *cells):
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")  # the first names the thing: it is copied
    for row in cells:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def local_time(moment: datetime | None) -> str:
    """A moment in the reader's time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else ""


def short_time(moment: datetime | None) -> str:
    """The same for tables: to the minute, and without naming the zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""


def time_left(until: datetime) -> str:
    """How long until a moment, or how long ago it was."""
    left = until - datetime.now(UTC)
    return f"in {_span(left)}" if left > timedelta(0) else f"{_span(-left)} ago"


def money(micros: int) -> str:
    """Millionths of the configured currency, as people write money."""
    return f"{micros / 1_000_000:.4f}"


def usage_line(usage: Usage) -> str:
    """Tokens, the share of those in that came from the cache, and cost."""
    tokens = f"{usage.all_input_tokens} in, {usage.cached_percent} % of them from the cache, {usage.output_tokens} out"
    return f"tokens {tokens}; cost {money(usage.cost_micros)}"


def _span(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
