"""Child runs on the command line: where those stand that a run waits for, and whom they wait for."""

from cli.exits import NotReachable, Refused
from cli.outside import as_argument
from cli.server import Server
from cli.watching import waiting_lines
from contracts.runs import RunView


async def lines_of_children(server: Server, view: RunView) -> list[str]:
    """One fact per line, of the child runs under way, and of those inside them. Their answers are given there."""
    lines: list[str] = []
    for child in view.child_runs:
        if child.ending:
            continue
        try:
            seen = await server.view(child.workflow_id)
        except (Refused, NotReachable) as problem:
            lines.append(f"{child.workflow_id}: {problem}")
            continue
        lines.append(f"{seen.workflow_id} is {seen.state or 'not begun'}" + (f", {seen.reason}" if seen.reason else ""))
        lines += [f"  {line}" for request in seen.waiting_for for line in waiting_lines(request)]
        lines += [f"  {line}" for line in await lines_of_children(server, seen)]
        lines.append(f"  next: interlock runs show {as_argument(seen.workflow_id)}")
    return lines
