"""The policy document: what is made active in the store is {"files": {name: text}} of the policy folders."""

from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue, ValidationError

from contracts.model import Model
from policies.calendars import CalendarUnusable, load_calendars
from policies.rules import Problem, Rule
from policies.totals import TotalsUnusable, load_totals

TOTALS, CALENDARS = "totals.toml", "calendars.toml"
"""The running totals and the calendars that rules name. They stand in one folder or in several, each name once."""


class PolicyBroken(ValueError):
    """The rules cannot be used as written."""


class PolicyDocument(Model):
    """The files that rule, by name."""

    files: dict[str, str]


def document_of(folders: Iterable[Path]) -> JsonValue:
    """Every `*.cedar`, totals.toml and calendars.toml of `folders`, as one document. Raises PolicyBroken."""
    folders = tuple(folders)
    files: dict[str, str] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.cedar"))):
        if path.name in files:
            raise PolicyBroken(f"{path}: another policy folder has a file of this name; give this one another name")
        files[path.name] = _text(path)
    if not files:
        raise PolicyBroken(f"no *.cedar file in {', '.join(map(str, folders))}; without rules everything is forbidden")
    for name in (TOTALS, CALENDARS):
        if found := [_text(folder / name) for folder in folders if (folder / name).is_file()]:
            files[name] = "\n".join(found)
    return {"files": dict(files)}


def files_of(content: JsonValue) -> dict[str, str]:
    """The files of a document. Raises PolicyBroken."""
    try:
        files = PolicyDocument.model_validate(content, strict=True).files
    except ValidationError as error:
        raise PolicyBroken('this is no policy document; it must be {"files": {name: text}}') from error
    if not cedar_files(files):
        raise PolicyBroken("the policy document has no *.cedar file; without rules everything is forbidden")
    return files


def cedar_files(files: Mapping[str, str]) -> dict[str, str]:
    """Those that hold rules."""
    return {name: text for name, text in files.items() if not name.endswith(".toml")}


def declared_totals(files: Mapping[str, str]) -> frozenset[str]:
    """The running totals that totals.toml declares. Raises PolicyBroken."""
    try:
        return frozenset(total.name for total in load_totals(files.get(TOTALS, "")))
    except TotalsUnusable as unusable:
        raise PolicyBroken(str(unusable)) from unusable


def declared_calendars(files: Mapping[str, str]) -> frozenset[str]:
    """The calendars that calendars.toml declares. Raises PolicyBroken."""
    try:
        return frozenset(load_calendars(files.get(CALENDARS, "")))
    except CalendarUnusable as unusable:
        raise PolicyBroken(str(unusable)) from unusable


def undeclared(rules: Iterable[Rule], totals: Container[str], calendars: Container[str]) -> Iterator[Problem]:
    """Rules that name totals or calendars which no file declares: such a rule would never apply."""
    for rule in rules:
        for name in rule.attributes("totals"):
            if name not in totals:
                sentence = f"the running total {name!r} is declared nowhere; add [totals.{name}] to {TOTALS}"
                yield rule.problem(sentence, [name])
        calendar = rule.annotations.get("calendar", "")
        if calendar and calendar not in calendars:
            sentence = f"the calendar {calendar!r} is declared nowhere; add [calendars.{calendar}] to {CALENDARS}"
            yield rule.problem(sentence, ["@calendar"])


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyBroken(f"{path} cannot be read: {error}; save it as text in UTF-8") from error
