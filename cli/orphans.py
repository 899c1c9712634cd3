"""What `interlock runs orphans` says: runs that ended without settling what they left, and what nobody knows of it."""

from collections.abc import Iterator

from pydantic import JsonValue

from activities.orphans import MAX_ORPHANS, Acknowledgement, Orphan, OrphansPage, OrphansQuery
from cli.outside import as_argument
from cli.printing import local_time
from cli.server import Server


async def orphans(server: Server) -> OrphansPage:
    """Runs that were swept and that nobody has acknowledged."""
    return await server.read("list_orphans", OrphansQuery(), OrphansPage)


async def acknowledge(server: Server, acknowledged: Acknowledgement) -> None:
    """Take a run out of the report. Raises Refused when nothing is reported of it."""
    await server.read("acknowledge_orphan", acknowledged, str)


def as_document(page: OrphansPage) -> JsonValue:
    """One JSON document."""
    document: JsonValue = page.model_dump(mode="json")
    return document


def lines_of(page: OrphansPage) -> Iterator[str]:
    """One fact per line, and the next command for each run."""
    if not page.orphans:
        yield "no run has ended without settling what it left"
        return
    for orphan in page.orphans:
        yield from _of_run(orphan)
    if page.cut:
        yield f"there are more than {MAX_ORPHANS}; acknowledge some to see the others"


def _of_run(orphan: Orphan) -> Iterator[str]:
    settled = f"{_counted(len(orphan.requests), 'request')} closed, {_counted(orphan.abandoned, 'call')} never sent"
    yield f"{orphan.workflow_id} ended as {orphan.ending}, settled {local_time(orphan.swept_at)}: {settled}"
    for effect in orphan.without_verdict:
        yield f"  nobody knows whether {effect.server}.{effect.tool} happened: sent {local_time(effect.sent_at)}"
        yield f"    step {effect.step}, occurrence {effect.occurrence}, key {effect.key}"
    if orphan.without_verdict:
        yield "  look into these systems first; nothing is sent again"
    yield f"  next: interlock runs orphans --acknowledge {as_argument(orphan.workflow_id)} --reason WHY"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
