"""Budgets on the command line: what is left of a run's, and how people say how much more it may spend."""

from collections.abc import Iterator

from pydantic import JsonValue

from activities.budgets import BudgetLine, Whose, written
from activities.conversations import RunKey
from activities.reads import BudgetOfRun
from cli.exits import NotReachable, Refused, WrongInput
from cli.server import Server
from contracts.budgets import Extension, read_extension
from contracts.canonical import canonical_json
from contracts.runs import RunView

EXAMPLE = "turns=20,money=1.50"


async def budget_of(server: Server, view: RunView) -> BudgetOfRun | str:
    """What is spent of each limit of a run; or why that cannot be told now, which keeps nobody from the rest."""
    run = RunKey(workflow_id=view.workflow_id, first_run_id=view.first_run_id)
    try:
        return await server.read("budget_of_run", run, BudgetOfRun)
    except (Refused, NotReachable) as problem:
        return str(problem)


def budget_lines(budget: BudgetOfRun | str) -> Iterator[str]:
    """What is left, and what was added to it; nothing for a run without limits."""
    if isinstance(budget, str):
        yield f"budget: cannot be told now, {budget}"
        return
    for whose in Whose:
        lines = [line for line in budget.lines if line.whose is whose]
        if lines:
            yield f"left for {whose.value}: {', '.join(_left(line) for line in lines)}"


def read_more(option: str, text: str) -> str:
    """How much more a run may spend, as a decision carries it; empty: as much again.

    `text`: pairs such as `turns=20,money=1.50`, or JSON. Raises WrongInput naming the option.
    """
    if not text.strip():
        return ""
    try:
        extension = read_extension(text if text.lstrip().startswith("{") else _as_json(text))
    except ValueError as problem:
        raise WrongInput(f"{option} {text[:80]!r}: {problem}; write for example {option} {EXAMPLE}") from problem
    return extension.model_dump_json(exclude_defaults=True) if extension else ""


def _left(line: BudgetLine) -> str:
    added = f" ({written(line.unit, line.added)} of it added by people)" if line.added else ""
    return line.words(line.left) + added


def _as_json(text: str) -> str:
    given: dict[str, JsonValue] = {}
    for pair in text.split(","):
        name, equals, amount = (part.strip() for part in pair.partition("="))
        if name not in Extension.model_fields or not equals or not amount:
            raise ValueError(f"{pair.strip()!r} is not one of {', '.join(Extension.model_fields)} with an amount")
        if name in given:
            raise ValueError(f"{name} is given twice")
        given[name] = amount
    return canonical_json(given).decode()
