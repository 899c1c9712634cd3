"""The one TOML file that declares the MCP servers: who owns them, how they are reached, what operators say of them."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, StrictBool, ValidationError, model_validator

from contracts.model import Model
from contracts.pointers import POINTER
from contracts.servers import ANSWER_BYTES, ARGUMENT_BYTES, BreakerRule, Limits, Rate, ServerRules
from contracts.tools import EffectClass, KeyDelivery, Lookup, Risk, Taint, Undoes
from workers.resources.itself import is_same_place, starts_itself
from workers.resources.tables_file import CREDENTIAL, Duration, TablesUnusable, fields_of, read_tables, sentence

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_EXPANDING = ("command", "url", "env")
_NEVER_SHOWN = ("credential", "env")
"""Fields into which somebody may have pasted a secret."""
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024 * 1024}
MOST_CALLS = 100_000
"""In one period of a rate."""


class ServersFileUnusable(Exception):
    """The servers file cannot be used; the message names the file, the server, the field and the way out."""


class KeyRule(Model):
    """How a tool takes our idempotency key, and how long its server remembers one."""

    argument: str | None = Field(default=None, min_length=1)
    meta: str | None = Field(default=None, min_length=1)
    header: str | None = Field(default=None, pattern=_HEADER)
    horizon: Duration = timedelta(days=1)

    @model_validator(mode="after")
    def _delivered_somehow(self) -> Self:
        if not (self.argument or self.meta or self.header):
            raise ValueError("says nowhere to put the key; give argument, meta or header")
        return self

    def delivery(self) -> KeyDelivery:
        """The same as the tool definition carries it."""
        return KeyDelivery(
            argument=self.argument,
            meta=self.meta,
            header=self.header,
            horizon_seconds=max(1, int(self.horizon.total_seconds())),
        )


class LookupRule(Model):
    """How an operator finds out whether a call without an answer happened: the fields of `contracts.tools.Lookup`."""

    tool: str = Field(min_length=1, max_length=128)
    key: str = Field(default="", max_length=128)
    same: tuple[str, ...] = ()
    list: str = Field(default="", pattern=rf"^$|{POINTER}")
    match: str = Field(pattern=POINTER)
    none_is_error: StrictBool = False
    slowest: Duration | None = None
    """None: the time that the tool itself has to answer."""

    def lookup(self, timeout: timedelta) -> Lookup:
        """The same as the tool definition carries it."""
        return Lookup(
            tool=self.tool,
            key=self.key,
            same=self.same,
            items=self.list,
            match=self.match,
            none_is_error=self.none_is_error,
            slowest_seconds=(self.slowest or timeout).total_seconds(),
        )


class Stakes(Model):
    """What is at stake when a tool is called: said of one tool, or of every tool of a server with no word of its own.

    Where neither says anything the worst is assumed (`mcp_connections/definitions.py`).
    """

    risk: Risk | None = None
    """What it can do at worst: high, unless it is a read."""
    reads: tuple[Taint, ...] | None = None
    """What a run has read once it has read an answer; [] is neither private data nor untrusted text."""
    sends_out: StrictBool | None = None
    """Whether what it is given can reach somebody outside."""


class ToolRule(Stakes):
    """What the operator says of one tool. It comes before anything the server says of itself."""

    effect_class: EffectClass | None = None
    key: KeyRule | None = None
    lookup: LookupRule | None = None
    resource: dict[str, str] | None = Field(default=None, min_length=1)
    """What a call changes: name of each part -> the argument that says which."""
    undoes: Undoes | None = None
    """Which tool's effect it takes back."""
    reference: str = Field(default="", max_length=128)
    """The argument that names the run; every call must give the calling run's own id there."""
    plan: str = Field(default="", max_length=128)
    """The argument in which a call lists further calls: whoever approves the one approves the others."""
    timeout: Duration = timedelta(seconds=60)

    @model_validator(mode="after")
    def _keyed_has_a_key(self) -> Self:
        if self.effect_class is EffectClass.KEYED and self.key is None:
            raise ValueError('is "keyed" but has no key; add key = { argument = "..." }')
        return self

    @model_validator(mode="after")
    def _queryable_can_be_looked_up(self) -> Self:
        if self.effect_class is EffectClass.QUERYABLE and self.key is None:
            raise ValueError('is "queryable" but our reference has no place; add key = { argument = "..." }')
        if self.effect_class is EffectClass.QUERYABLE and self.lookup is None:
            raise ValueError('is "queryable" but has no lookup; add lookup = { tool = "...", match = "/..." }')
        if self.lookup is not None and self.key is None:
            raise ValueError('has a lookup but no key that could be found; add key = { argument = "..." }')
        return self


def _rate(value: object) -> object:
    read = re.fullmatch(r"([0-9]{1,6})/(s|min|h)", value) if isinstance(value, str) else None
    if read is None or not 1 <= int(read[1]) <= MOST_CALLS:
        raise ValueError(f'must be calls in a period, at most {MOST_CALLS}, for example "10/s", "600/min" or "100/h"')
    return Rate(calls=int(read[1]), seconds=_SECONDS[read[2]])


def _bytes_up_to(most: int) -> BeforeValidator:
    """A size in quotes, to be no larger than what is ever let through."""

    def size(value: object) -> object:
        read = re.fullmatch(r"([0-9]{1,9})(B|KiB|MiB)", value) if isinstance(value, str) else None
        if read is None or int(read[1]) == 0:
            raise ValueError('must be a size in quotes, for example "512B", "64KiB" or "4MiB"')
        if int(read[1]) * _BYTES[read[2]] > most:
            raise ValueError(f"is {value}, more than is ever let through; give {most // 1024}KiB or less")
        return int(read[1]) * _BYTES[read[2]]

    return BeforeValidator(size)


class DeclaredBreaker(BreakerRule):
    """`breaker = { window = 10, failures = 0.3, open = "PT30S", longest = "PT15M" }`; what is left out is that."""

    open: Duration = BreakerRule().open
    longest: Annotated[Duration, Field(le=timedelta(hours=1))] = BreakerRule().longest


class DeclaredLimits(Limits):
    """`limits = { concurrency = 8, rate = "10/s", arguments = "64KiB", answer = "4MiB" }`; without a rate, any."""

    rate: Annotated[Rate | None, BeforeValidator(_rate)] = None
    arguments: Annotated[int, _bytes_up_to(ARGUMENT_BYTES)] = ARGUMENT_BYTES
    answer: Annotated[int, _bytes_up_to(ANSWER_BYTES)] = ANSWER_BYTES


class ServerDeclaration(Stakes):
    """One MCP server."""

    name: str = Field(pattern=_NAME)
    owner: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    transport: Literal["stdio", "http"]
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    env: dict[str, str] = Field(default={})
    credential: str | None = Field(default=None, pattern=CREDENTIAL)
    header: str = Field(default="Authorization", pattern=_HEADER)
    scheme: str = Field(default="Bearer", pattern=r"^[A-Za-z0-9._~+-]*$")
    """Stands before the value in the header; empty for the bare value."""
    env_name: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    protocol: Literal["auto", "legacy", "2026-07-28"] = "auto"
    trusted: bool = False
    """Whether the tools' own annotations are believed."""
    breaker: DeclaredBreaker = DeclaredBreaker()
    limits: DeclaredLimits = DeclaredLimits()
    tools: dict[str, ToolRule] = Field(default={})

    @model_validator(mode="after")
    def _fits_its_transport(self) -> Self:
        problem = _stdio_problem(self) if self.transport == "stdio" else _http_problem(self)
        if problem:
            raise ValueError(problem)
        return self

    def as_rules(self) -> ServerRules:
        """What is said of the server as a whole."""
        plans = {name: rule.plan for name, rule in self.tools.items() if rule.plan}
        said = {"breaker": self.breaker.model_dump(), "limits": self.limits.model_dump(), "plans": plans}
        return ServerRules.model_validate(said)

    def rule(self, tool: str) -> ToolRule:
        """What the operator says of this tool, else of its server."""
        rule = self.tools.get(tool, _SILENCE)
        return rule.model_copy(
            update={name: getattr(self, name) for name in Stakes.model_fields if getattr(rule, name) is None}
        )


_SILENCE = ToolRule()
_NOT_ITSELF = "no automation calls Interlock itself: start a child run in the workflow, and take the server out"


def _stdio_problem(server: ServerDeclaration) -> str:
    if server.url is not None:
        return 'has transport "stdio" and a url; remove the url, or set transport = "http"'
    if server.command is None:
        return 'has transport "stdio" and no command; add command = ["program", "argument"]'
    if starts_itself(server.command):
        return f"starts Interlock's own MCP server; {_NOT_ITSELF}"
    if server.credential and server.env_name is None:
        return "has a credential and no env_name; name the environment variable the server reads it from"
    if named := [name for name, rule in server.tools.items() if rule.key and rule.key.header]:
        return f'has transport "stdio", which has no headers; give tools.{named[0]}.key an argument or meta'
    return ""


def _http_problem(server: ServerDeclaration) -> str:
    if server.command is not None:
        return 'has transport "http" and a command; remove the command, or set transport = "stdio"'
    if server.url is None:
        return 'has transport "http" and no url; add url = "https://..."'
    if server.env or server.env_name:
        return 'has transport "http", where env and env_name mean nothing; use credential with header and scheme'
    return ""


def load_servers(
    path: Path, environment: Mapping[str, str] = os.environ, own_address: str = ""
) -> tuple[ServerDeclaration, ...]:
    """The declared servers, in the order of the file. Raises ServersFileUnusable.

    `own_address`: where Interlock's own skills are served, which no server of the file may be.
    """
    try:
        tables = read_tables(path, "servers", "--servers or INTERLOCK_SERVERS")
        servers = tuple(_declared(path, name, table, environment) for name, table in tables.items())
    except TablesUnusable as unusable:
        raise ServersFileUnusable(str(unusable)) from unusable
    for server in servers:
        if server.url and own_address and is_same_place(server.url, own_address):
            raise ServersFileUnusable(f"{path}: servers.{server.name}.url is where skills are served; {_NOT_ITSELF}")
    return servers


def _declared(path: Path, name: str, table: JsonValue, environment: Mapping[str, str]) -> ServerDeclaration:
    place = f"servers.{name}"
    fields = fields_of(path, place, table, _EXPANDING, environment)
    try:
        return ServerDeclaration.model_validate({**fields, "name": name})
    except ValidationError as error:
        raise ServersFileUnusable(f"{path}: {sentence(place, error, _NEVER_SHOWN)}") from error
