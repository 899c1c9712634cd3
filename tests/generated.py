"""The generated pages: `python -m tests.generated --write` makes them, `--check` says whether they are current.

A page is a path and a function that gives its text. Beside whole pages there are blocks in written documents, between
`<!-- kind:name -->` and `<!-- end -->`; a kind is a function that gives the block for a name.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any

from contracts.decisions import Verdict
from contracts.runs import BuiltIn
from tests.workflows import checkout_table
from workers.settings import REPOSITORY
from workflows.catalog import Catalog, CatalogEntry
from workflows.machine.definition import Machine
from workflows.machine.diagram import mermaid

WRITE = "make docs"
MACHINES = Path("docs/machines")
OUTCOMES = Path("docs/outcomes")
DOCUMENTS = (Path("README.md"),)
"""Written by people, with generated blocks."""

_BLOCK = re.compile(r"^<!-- (?P<kind>\w+):(?P<name>[\w-]+) -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)
_BUILT_IN = {
    BuiltIn.ESCALATED: "A step failed and trying again by itself cannot help: a person chooses how the run goes on.",
    BuiltIn.CANCELLED: "Cancelled, or abandoned by a person; everything it had done is undone.",
    BuiltIn.UNDO_INCOMPLETE: "An undo failed, and a person abandoned it: something has to be put right by hand.",
}


def pages() -> dict[Path, Callable[[], str]]:
    """Every generated page, by its path in the repository."""
    machines = {MACHINES / f"{entry.name}.md": partial(machine_page, entry) for entry in _catalog().entries()}
    return {**machines, OUTCOMES / "guest_checkout.md": checkout_table.page}


def machine_page(entry: CatalogEntry) -> str:
    """The page of one automation: its diagram, its states, its endings, and the ways out of trouble."""
    return "\n".join(
        [
            f"# The machine `{entry.name}`",
            "",
            entry.description,
            "",
            f"Generated from `{entry.module.replace('.', '/')}.py` by `{WRITE}`; do not edit.",
            "",
            *machine_block(entry.name).splitlines(),
            "",
            *_states(entry),
            *_endings(entry.machine),
            *failures(entry.machine),
            *_ways_out(entry.machine),
        ]
    )


def machine_block(name: str) -> str:
    """The diagram of an automation's machine."""
    return f"```mermaid\n{mermaid(_catalog().find(name).machine)}```\n"


BLOCKS: dict[str, Callable[[str], str]] = {"machine": machine_block}


def with_blocks(text: str) -> str:
    """A document with its generated blocks made anew. Raises LookupError for a block nobody can make."""

    def made(found: re.Match[str]) -> str:
        kind, name = found["kind"], found["name"]
        if kind not in BLOCKS:
            raise LookupError(f"no block {kind!r}; there are: {', '.join(BLOCKS)}")
        return f"<!-- {kind}:{name} -->\n{BLOCKS[kind](name)}<!-- end -->"

    return _BLOCK.sub(made, text)


def expected(root: Path) -> dict[Path, str]:
    """Path -> the text it should have."""
    documents = {path: with_blocks((root / path).read_text()) for path in DOCUMENTS if (root / path).exists()}
    return {path: page() for path, page in pages().items()} | documents


def outdated(root: Path = REPOSITORY) -> list[str]:
    """What is not as it should be: pages that differ, are missing, or belong to nothing."""
    wanted = expected(root)
    differing = [path for path, text in wanted.items() if not (root / path).exists() or _read(root / path) != text]
    return sorted(map(str, [*differing, *_left_over(root)]))


def write(root: Path = REPOSITORY) -> list[str]:
    """Write what is outdated; the paths."""
    changed = outdated(root)
    for path, text in expected(root).items():
        if str(path) in changed:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    for path in _left_over(root):
        (root / path).unlink()
    return changed


def main(arguments: Sequence[str]) -> int:
    """0 when the pages are current or have been written, 1 when they are not."""
    parser = argparse.ArgumentParser(prog="python -m tests.generated", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="say what is outdated, and fail if anything is")
    what.add_argument("--write", action="store_true", help="write what is outdated")
    if parser.parse_args(arguments).write:
        sys.stdout.writelines(f"wrote {path}\n" for path in write())
        return 0
    stale = outdated()
    sys.stderr.writelines(f"{path} is not current; run `{WRITE}`\n" for path in stale)
    return 1 if stale else 0


@cache
def _catalog() -> Catalog:
    return Catalog.load()


def _left_over(root: Path) -> list[Path]:
    """Pages of machines that are no more."""
    return [path.relative_to(root) for path in (root / MACHINES).glob("*.md") if path.relative_to(root) not in pages()]


def _read(path: Path) -> str:
    return path.read_text()


def _states(entry: CatalogEntry) -> Iterator[str]:
    yield from ("## States", "", "| state | kind | what happens |", "|---|---|---|")
    for state in entry.machine.states:
        yield f"| {state.value} | {_kind(entry.machine, state)} | {_meaning(entry.machine, state)} |"
    for built_in, meaning in _BUILT_IN.items():
        yield f"| {built_in.value} | {_kind(entry.machine, built_in)} | {meaning} |"
    yield ""


def _kind(machine: Machine[Any], state: Enum) -> str:
    if machine.is_final(state):
        return "final, good" if state in machine.good else "final"
    return "waiting" if machine.is_waiting(state) else "busy"


def _meaning(machine: Machine[Any], state: Enum) -> str:
    """The first paragraph of the handler's docstring, on one line."""
    if machine.is_final(state):
        return ""
    words = inspect.getdoc(machine.handler(state)) or ""
    return " ".join(words.split("\n\n", 1)[0].split()).replace("|", "\\|")


def _endings(machine: Machine[Any]) -> Iterator[str]:
    yield from ("## Endings", "", "| ending | comes after |", "|---|---|")
    for ending in machine.final:
        before = [state.value for state, targets in machine.transitions.items() if ending in targets]
        chosen = [
            f"{state.value} escalated and a person chose {_words(option)}"
            for state in machine.transitions
            for option, target in machine.escapes(state).items()
            if target == ending
        ]
        undone = [f"{state.value}, a step of which failed" for state, to in machine.failures.items() if to == ending]
        yield f"| {ending.value} | {'; '.join([*before, *undone, *chosen])} |"
    yield "| cancelled | any state that is not final, when the run is cancelled; escalated, when a person abandons it |"
    yield "| cancelled | nothing, when the start is refused: the business case is taken, or the input is another one |"
    yield "| undo_incomplete | escalated because an undo failed, when a person abandons it |"
    yield ""


def failures(machine: Machine[Any]) -> Iterator[str]:
    """What follows by itself when a step fails; nothing for a machine that only escalates."""
    if not machine.failures:
        return
    yield from ("## When a step fails", "", "| in the state | what follows by itself |", "|---|---|")
    yield from (f"| {state.value} | {machine.fails(state).words} |" for state in machine.failures)
    yield "| any other | a person chooses |"
    yield ""


def _ways_out(machine: Machine[Any]) -> Iterator[str]:
    yield from ("## When a state escalates", "", "| state | a person may choose |", "|---|---|")
    for state in machine.transitions:
        options = [f"{_words(option)} (goes on in {target.value})" for option, target in machine.escapes(state).items()]
        yield f"| {state.value} | {', '.join([*options, 'abandon (undoes what was done, ends in cancelled)'])} |"
    yield "| any, as the budget is spent | beside these: extend (goes on in the same state) |"
    yield "| any, as an undo failed | retry, take over (it was undone by hand), abandon (ends in undo_incomplete) |"
    yield ""


def _words(option: Verdict) -> str:
    return option.value.replace("_", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
