"""The one TOML file that declares how people are told: mail, signed webhooks and commands, each under a name."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, ValidationError, model_validator

from activities.notices import NoticeEvent, Route
from contracts.model import Model
from contracts.roster import MAIL_ADDRESS
from workers.resources.tables_file import CREDENTIAL, Duration, TablesUnusable, fields_of, read_tables, sentence

LONGEST_TIMEOUT = timedelta(minutes=2)
_EXPANDING = ("host", "port", "url", "command")
_NEVER_SHOWN = ("credential",)
"""Fields into which somebody may have pasted a secret."""


class NoticesFileUnusable(Exception):
    """The notices file cannot be used; the message names the file, the channel, the field and the way out."""


def _short(timeout: timedelta) -> timedelta:
    if timeout > LONGEST_TIMEOUT:
        raise ValueError('is longer than a channel may take; at most "PT2M"')
    return timeout


def _web_address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", url):  # not quoted: such an address may hold a token
        raise ValueError('is not the address of a web page; write url = "https://..."')
    return url


class _Declaration(Model):
    model_config = ConfigDict(populate_by_name=True)
    personal: ClassVar[bool] = False

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    events: tuple[NoticeEvent, ...] = Field(default=tuple(NoticeEvent), min_length=1)
    """What it tells; everything when the file is silent."""
    timeout: Annotated[Duration, AfterValidator(_short)] = timedelta(seconds=20)

    def route(self) -> Route:
        """Which notices it takes."""
        return Route(channel=self.name, personal=self.personal, events=self.events)


class MailDeclaration(_Declaration):
    """Mail over SMTP, to each person's own address."""

    personal: ClassVar[bool] = True

    type: Literal["smtp"]
    host: str = Field(min_length=1, max_length=255, pattern=r"^[^\s/@]+$")
    port: int = Field(ge=1, le=65535)
    sender: str = Field(alias="from", max_length=320, pattern=MAIL_ADDRESS)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """TLS after a greeting in clear text, TLS from the first byte, or none."""
    user: str | None = Field(default=None, min_length=1)
    credential: str | None = Field(default=None, pattern=CREDENTIAL)

    @model_validator(mode="after")
    def _password_is_protected(self) -> Self:
        if (self.user is None) != (self.credential is None):
            raise ValueError("needs both user and credential to log in, or neither")
        if self.user is not None and self.security == "none":
            raise ValueError('would send its password in clear text; set security = "starttls" or "tls"')
        return self


class WebhookDeclaration(_Declaration):
    """A signed POST for each event, in the form of Standard Webhooks."""

    type: Literal["webhook"]
    url: Annotated[str, AfterValidator(_web_address)]
    credential: str = Field(pattern=CREDENTIAL)
    """One signing secret, or several with a space between while one replaces another: whsec_ and base64."""


class CommandDeclaration(_Declaration):
    """A program that is run for each event, with the notice as JSON on its standard input."""

    type: Literal["command"]
    command: tuple[str, ...] = Field(min_length=1)


ChannelDeclaration = MailDeclaration | WebhookDeclaration | CommandDeclaration
_TYPES: Mapping[str, type[ChannelDeclaration]] = {
    "smtp": MailDeclaration,
    "webhook": WebhookDeclaration,
    "command": CommandDeclaration,
}


def load_channels(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[ChannelDeclaration, ...]:
    """The declared channels, in the order of the file. Raises NoticesFileUnusable."""
    try:
        tables = read_tables(path, "channels", "INTERLOCK_NOTICES")
        return tuple(_declared(path, name, table, environment) for name, table in tables.items())
    except TablesUnusable as unusable:
        raise NoticesFileUnusable(str(unusable)) from unusable


def routes_of(declarations: Sequence[ChannelDeclaration]) -> tuple[Route, ...]:
    """What the outbox needs to know of the channels."""
    return tuple(declaration.route() for declaration in declarations)


def load_routes(path: Path) -> tuple[Route, ...]:
    """The same without the environment, for commands that enter notices and send none. Raises NoticesFileUnusable."""
    try:
        tables = read_tables(path, "channels", "INTERLOCK_NOTICES")
        return tuple(_route(path, name, fields_of(path, f"channels.{name}", tables[name], (), {})) for name in tables)
    except TablesUnusable as unusable:
        raise NoticesFileUnusable(str(unusable)) from unusable


def _route(path: Path, name: str, fields: Mapping[str, JsonValue]) -> Route:
    place = f"channels.{name}"
    personal = _type(path, place, fields).personal
    try:
        said = {"events": fields["events"]} if "events" in fields else {}
        return Route.model_validate({"channel": name, "personal": personal, **said})
    except ValidationError as error:
        raise NoticesFileUnusable(f"{path}: {sentence(place, error, _NEVER_SHOWN)}") from error


def _declared(path: Path, name: str, table: JsonValue, environment: Mapping[str, str]) -> ChannelDeclaration:
    place = f"channels.{name}"
    fields = fields_of(path, place, table, _EXPANDING, environment)
    declaration = _type(path, place, fields)
    try:
        return declaration.model_validate({**fields, "name": name})
    except ValidationError as error:
        raise NoticesFileUnusable(f"{path}: {sentence(place, error, _NEVER_SHOWN)}") from error


def _type(path: Path, place: str, fields: Mapping[str, JsonValue]) -> type[ChannelDeclaration]:
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        known = ", ".join(f'"{known}"' for known in _TYPES)
        raise NoticesFileUnusable(f"{path}: {place}.type says nothing that is known; write one of {known}")
    return _TYPES[kind]
