"""The one TOML file that says whose tokens MCP clients may bring, and which persona is offered which skills."""

import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, StrictBool, ValidationError, model_validator

from contracts.model import Model
from contracts.skills import Caller, KnownAs
from workers.resources.tables_file import sentence

_URL = r"^https?://[^\s/?#]+[^\s?#]*$"
_PREFIX = r"^([a-z0-9][a-z0-9._-]{0,40}:)?$"
_TABLES = ("issuers", "personas")
TableT = TypeVar("TableT", bound=Model)


class SkillsFileUnusable(Exception):
    """The skills file cannot be used; the message names the file, the table, the field and the way out."""


def _names(value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError('must be a list of names in quotes, for example ["refund"] or []')
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Issuer(Model):
    """Somebody whose tokens are taken."""

    issuer: str = Field(pattern=_URL)
    """Exactly as `iss` of the tokens has it."""
    keys: Path
    """A file with the issuer's public keys, a JSON Web Key Set. It is read again when it changed."""
    subject: str = Field(default="sub", min_length=1, max_length=100)
    """The claim that says who calls."""
    prefix: str = Field(default="", pattern=_PREFIX)
    """Stands before every name this issuer gives, such as `guest:`, so that none can be the name of somebody else."""


class Persona(Model):
    """Some callers, and what they are offered."""

    roles: Names = ()
    """Roles of the roster; whoever holds one of them is such a caller."""
    claims: dict[str, Names] = {}
    """Claims of the token -> values; whose token has one of them is such a caller."""
    starts: Names = ()
    """The automations they may start."""
    oversees: Names = ()
    """The automations of which they may look at every run, and cancel it; of others, their own alone."""
    decides: StrictBool = False
    """Whether they are offered what waits for them, and may hand over statements that were signed."""

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if not self.roles and not self.claims:
            raise ValueError('says not who it is; give roles = ["..."] or claims = { name = ["..."] }')
        return self

    def fits(self, caller: Caller, known: KnownAs) -> bool:
        """Whether somebody is such a caller."""
        if set(self.roles) & set(known.roles) or (caller.local and known.everybody):
            return True
        return any(set(values) & set(caller.claims.get(name, ())) for name, values in self.claims.items())


class Skills(Model):
    """Everything the file says."""

    resource: str = Field(default="", pattern=rf"^$|{_URL}")
    """The public address of the endpoint: what tokens must name as their audience."""
    issuers: dict[str, Issuer] = {}
    personas: dict[str, Persona]

    def personas_of(self, caller: Caller, known: KnownAs) -> tuple[Persona, ...]:
        """Every persona that a caller is."""
        return tuple(persona for persona in self.personas.values() if persona.fits(caller, known))

    def claims(self) -> frozenset[str]:
        """The claims of tokens that matter here."""
        return frozenset(name for persona in self.personas.values() for name in persona.claims)


def load_skills(path: Path, automations: Collection[str] | None = None) -> Skills:
    """What the file says, with the paths in it taken from its folder. Raises SkillsFileUnusable.

    `automations`: those there are, where that is known; a persona can be offered no other.
    """
    document = _read(path)
    tables = {kind: document.pop(kind, {}) for kind in _TABLES}
    resource = document.pop("resource", "")
    if document:
        raise SkillsFileUnusable(f"{path}: {next(iter(document))!r} does not belong here; {_WHAT}")
    issuer_tables, persona_tables = (_tables(path, kind, tables[kind]) for kind in _TABLES)
    if not persona_tables:
        raise SkillsFileUnusable(f"{path}: there is no persona, so nobody is offered anything; {_WHAT}")
    issuers = {name: _checked(path, f"issuers.{name}", Issuer, table) for name, table in issuer_tables.items()}
    skills = Skills(
        resource=_resource(path, resource),
        issuers={name: each.model_copy(update={"keys": path.parent / each.keys}) for name, each in issuers.items()},
        personas={name: _checked(path, f"personas.{name}", Persona, table) for name, table in persona_tables.items()},
    )
    for problem in (*_issuers_alike(skills), *_unknown_automations(skills, automations)):
        raise SkillsFileUnusable(f"{path}: {problem}")
    return skills


_WHAT = 'resource = "https://...", [issuers.NAME] and [personas.NAME] are what this file holds'


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SkillsFileUnusable(f"{path}: cannot be read as TOML: {error}; {_WHAT}") from error


def _tables(path: Path, kind: str, tables: object) -> dict[str, dict[str, Any]]:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SkillsFileUnusable(f"{path}: {kind} must be tables; write [{kind}.NAME]")
    return tables


def _checked(path: Path, place: str, kind: type[TableT], table: dict[str, Any]) -> TableT:
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        raise SkillsFileUnusable(f"{path}: {sentence(place, error, ())}") from error


def _resource(path: Path, resource: object) -> str:
    try:
        return Skills.model_validate({"resource": resource, "personas": {}}).resource
    except ValidationError as error:
        raise SkillsFileUnusable(
            f"{path}: resource is {resource!r}; write the public address, such as https://interlock.example.com/mcp"
        ) from error


def _issuers_alike(skills: Skills) -> Iterator[str]:
    """Two issuers could otherwise speak for one and the same person."""
    seen: dict[str, str] = {}
    for name, issuer in skills.issuers.items():
        for what, value in (("issuer", issuer.issuer), ("prefix", issuer.prefix)):
            if (before := seen.setdefault(f"{what} {value}", name)) != name:
                yield f"issuers.{name}.{what} is {value!r}, as that of issuers.{before}; each has one of its own"


def _unknown_automations(skills: Skills, automations: Collection[str] | None) -> Iterator[str]:
    for name, persona in skills.personas.items():
        for field in ("starts", "oversees"):
            for automation in getattr(persona, field):
                if automations is not None and automation not in automations:
                    there = ", ".join(automations)
                    yield f"personas.{name}.{field} names {automation!r}, which is no automation; there are: {there}"
