"""The file in which people edit the roster: read into the contract, and edited so that comments stay."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import tomlkit
from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from cli.exits import WrongInput
from cli.keys import not_a_subject
from cli.option_problems import of_its_length
from cli.private_files import replace
from contracts.escaping import plain
from contracts.model import Model
from contracts.roster import Absence, Delegation, Person, PublicKey, Roster

_NEW: Final = """\
# Who may ask, decide and operate here: people, the public halves of their keys, and their roles.
# What stands here counts once two roster admins have run `interlock approvers apply`.
"""
_MAX_BYTES: Final = 4 * 1024 * 1024
_WRITTEN: Final = {"delegator": "from", "delegate": "to"}
"""Field of the contract -> its name in the file, where people write another."""
_NAMES: Final = 'a list, for example ["dana"]'
_LISTS: Final = {
    "roles": 'a list, for example ["finance_manager"]',
    "break_glass": 'a list, for example ["operator"]',
    "keys": "tables; write [[people.NAME.keys]] as `interlock approvers enrol` does",
    "delegations": "tables; write [[delegations]] above each",
    "absences": "tables; write [[absences]] above each",
}
"""Field -> how people write it."""
_WANTED: Final = {
    "string_type": "it must be text in quotes",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "dict_type": "it must be a table",
    "model_type": "it must be a table",
    "string_pattern_mismatch": "take it from `interlock approvers enrol`",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
}
"""A problem's type -> the way out."""
_FIELDS: Final = {written: field for field, written in _WRITTEN.items()}


class RosterFile:
    """One file, as it stands and as it is being edited. Nothing is written before `save`."""

    def __init__(self, path: Path, text: str) -> None:
        """Raises WrongInput when the text cannot be a roster."""
        self.path = path
        self._before = text
        try:
            self._document = tomlkit.parse(text)
        except TOMLKitError as error:
            raise WrongInput(f"{path}: cannot be read as TOML: {error}; correct it there") from error
        self.roster = self._parsed()

    @classmethod
    def read(cls, path: Path, *, new: bool = False) -> "RosterFile":
        """The file; with `new`, an empty one when there is none. Raises WrongInput."""
        return cls(path, _text(path) or (_NEW if new else _missing(path)))

    def enter(self, person: Person, key: PublicKey) -> None:
        """Add a person's key, and whatever of name, mail, aliases and roles is new. Raises WrongInput."""
        table = _table(_table(self._document, "people"), person.subject)
        if person.service:
            table["service"] = True
        for field in ("name", "mail"):
            if value := getattr(person, field):
                table[field] = value
        for field in ("aliases", "roles", "break_glass"):
            for value in getattr(person, field):
                if value not in table.setdefault(field, []):
                    table[field].append(value)
        _append(table, "keys", _written(key))
        self._checked()

    def revoke(self, subject: str, key_ids: Sequence[str], at: datetime, reason: str) -> None:
        """Mark keys as revoked. Raises WrongInput."""
        for table in _tables(_table(_table(self._document, "people"), subject), "keys"):
            if table["key_id"] in key_ids:
                table["revoked_at"] = at
                table["revoked_at"].comment(plain(reason))
        self._checked()

    def delegate(self, delegation: Delegation) -> None:
        """Add a delegation. Raises WrongInput."""
        _append(self._document, "delegations", _written(delegation))
        self._checked()

    def absent(self, absence: Absence) -> None:
        """Add an absence. Raises WrongInput."""
        _append(self._document, "absences", _written(absence))
        self._checked()

    def save(self) -> None:
        """Write it, whole or not at all. Raises WrongInput when somebody else has changed it meanwhile."""
        if _text(self.path) not in ("", self._before):
            raise WrongInput(f"{self.path} was changed meanwhile; nothing was written, look at it and try again")
        replace(self.path, tomlkit.dumps(self._document))

    def _checked(self) -> None:
        """Read again what would be written."""
        self.roster = RosterFile(self.path, tomlkit.dumps(self._document)).roster

    def _parsed(self) -> Roster:
        try:
            return Roster.model_validate(_fields(self.path, self._document.unwrap()))
        except ValidationError as error:
            raise WrongInput(f"{self.path}: {_sentence(self._document, error)}") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise WrongInput(f"{path} has more than {_MAX_BYTES} bytes; name a roster")
        return content.decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise WrongInput(f"{path} is not text in UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}; name a roster file with --roster") from error


def _missing(path: Path) -> str:
    raise WrongInput(
        f"there is no roster in {str(path)!r}; make one with `interlock approvers enrol NAME --role ROLE`, "
        "or name it with --roster"
    )


def _fields(path: Path, document: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The fields of the contract, from how people write them."""
    fields = dict(document)
    people = fields.pop("people", {})
    if not isinstance(people, dict):
        raise WrongInput(f"{path}: people must be tables; write [people.NAME]")
    for subject, table in people.items():
        if not isinstance(table, dict) or "subject" in table:
            raise WrongInput(f"{path}: people.{subject} must be a table without a subject; write [people.{subject}]")
    fields["people"] = [{**table, "subject": subject} for subject, table in people.items()]
    delegations = fields.get("delegations", [])
    if isinstance(delegations, list):
        fields["delegations"] = [_renamed(table) for table in delegations]
    return fields


def _renamed(table: JsonValue) -> JsonValue:
    if not isinstance(table, dict):
        return table
    return {_FIELDS.get(name, name): value for name, value in table.items()}


def _written(model: Model) -> dict[str, object]:
    """The table that stands for a part of the roster; empty fields are left out."""
    values = model.model_dump(mode="python", exclude_none=True)
    return {
        _WRITTEN.get(name, name): list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def _table(parent: Any, name: str) -> Table:
    if name not in parent:
        parent[name] = tomlkit.table(is_super_table=name == "people")
    table: Table = parent[name]
    return table


def _append(parent: Any, name: str, values: Mapping[str, object]) -> None:
    """Add a table to an array of tables."""
    row = tomlkit.table()
    row.update(values)
    row.add(tomlkit.nl())
    _tables(parent, name).append(row)


def _tables(parent: Any, name: str) -> AoT:
    if name not in parent:
        parent[name] = tomlkit.aot()
    tables = parent[name]
    if not isinstance(tables, AoT):
        raise WrongInput(f"{name!r} is written as a list within brackets; write [[...{name}]] tables, and try again")
    return tables


def _sentence(document: Mapping[str, Any], error: ValidationError) -> str:
    first, *more = error.errors(include_url=False)
    rest = f" (and {len(more)} more problems)" if more else ""
    place = ".".join(_place(document, first))
    return f"{place + ' ' if place else ''}{_problem(first)}{rest}"


def _place(document: Mapping[str, Any], problem: ErrorDetails) -> Iterator[str]:
    """The field as it stands in the file."""
    names = list(document.get("people", ()))
    fields = problem["loc"][:-1] if problem["loc"][-1:] == ("subject",) else problem["loc"]
    for before, part in zip(("", *fields), fields, strict=False):
        yield names[int(part)] if before == "people" else _WRITTEN.get(str(part), str(part))


def _problem(problem: ErrorDetails) -> str:
    given, limits = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return "is not a field this file knows; correct its spelling or remove it"
        case "missing":
            return "is missing; add it"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case _ if "public" in problem["loc"]:  # somebody may have pasted the other half
            return "is no public half of an Ed25519 key (43 characters); take it from `interlock approvers enrol`"
        case "string_pattern_mismatch" if problem["loc"][-1] == "subject":
            return not_a_subject(str(given))
        case "tuple_type":
            return f"must be {_LISTS.get(str(problem['loc'][-1]), _NAMES)}"
        case "too_short":
            return "is empty; name at least one"
        case "string_too_long" | "string_too_short":
            return of_its_length(problem)
        case kind if kind.startswith("datetime_"):
            return f"is {str(given)[:60]!r}; write a moment, for example 2026-11-20T09:00:00Z"
        case kind if kind in _WANTED:
            return f"is {str(given)[:60]!r}; {_WANTED[kind].format(**limits)}"
        case _:
            return f"is {str(given)[:60]!r}: {problem['msg']}; correct it"
