"""The notices file: what it says is what is declared, and every mistake in it is named with its way out."""

from datetime import timedelta
from pathlib import Path

import pytest

from activities.notices import NoticeEvent
from workers.resources.notifying.command import CommandChannel
from workers.resources.notifying.file import (
    ChannelDeclaration,
    CommandDeclaration,
    MailDeclaration,
    NoticesFileUnusable,
    WebhookDeclaration,
    load_channels,
    load_routes,
    routes_of,
)
from workers.resources.notifying.opening import open_channels
from workers.resources.notifying.smtp import MailChannel
from workers.resources.notifying.webhook import WebhookChannel

MAIL = '[channels.mail]\ntype = "smtp"\nhost = "mail.example.com"\nport = 587\nfrom = "interlock@example.com"\n'
CHAT = '[channels.chat]\ntype = "webhook"\nurl = "https://chat.example.com/x"\ncredential = "file:/run/secrets/chat"\n'
PAGER = '[channels.pager]\ntype = "command"\ncommand = ["page", "--now"]\n'


def loaded(folder: Path, text: str, **environment: str) -> tuple[ChannelDeclaration, ...]:
    path = folder / "notices.toml"
    path.write_text(text)
    return load_channels(path, environment)


def problem(folder: Path, text: str, **environment: str) -> str:
    with pytest.raises(NoticesFileUnusable) as caught:
        loaded(folder, text, **environment)
    message = str(caught.value)
    assert "notices.toml" in message and "\n" not in message
    return message


def test_channels_come_in_the_order_of_the_file_with_all_they_declare(tmp_path: Path) -> None:
    text = (
        MAIL.replace('"mail.example.com"', '"${MAIL}"').replace("587", '"${PORT}"')
        + 'user = "interlock"\ncredential = "env:PASSWORD"\n'
        + CHAT.replace("chat.example.com/x", "${CHAT}/y")
        + 'timeout = "PT5S"\n'
        + PAGER.replace('"page"', '"${BIN}/page"')
        + 'events = ["break_glass", "expired"]\n'
    )
    mail, chat, pager = loaded(tmp_path, text, MAIL="mx", PORT="2525", CHAT="c.example", BIN="/opt")
    assert isinstance(mail, MailDeclaration)
    assert (mail.host, mail.port, mail.sender, mail.security) == ("mx", 2525, "interlock@example.com", "starttls")
    assert (mail.user, mail.credential, mail.timeout) == ("interlock", "env:PASSWORD", timedelta(seconds=20))
    assert isinstance(chat, WebhookDeclaration)
    assert (chat.url, chat.timeout) == ("https://c.example/y", timedelta(seconds=5))
    assert isinstance(pager, CommandDeclaration)
    assert pager.command == ("/opt/page", "--now")

    routes = [(route.channel, route.personal) for route in routes_of((mail, chat, pager))]
    assert routes == [("mail", True), ("chat", False), ("pager", False)]
    assert routes_of((mail,))[0].events == tuple(NoticeEvent)
    assert pager.route().events == (NoticeEvent.BREAK_GLASS, NoticeEvent.EXPIRED)


async def test_every_declaration_opens_a_channel_of_its_name(tmp_path: Path) -> None:
    channels = open_channels(loaded(tmp_path, MAIL + CHAT + PAGER))
    assert [(type(each), each.name) for each in channels] == [
        (MailChannel, "mail"),
        (WebhookChannel, "chat"),
        (CommandChannel, "pager"),
    ]
    for each in channels:
        await each.aclose()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MAIL.replace('"smtp"', '"pigeon"'), ["channels.mail.type", '"smtp"', '"webhook"', '"command"']),
        (MAIL.replace('type = "smtp"\n', ""), ["channels.mail.type"]),
        (MAIL.replace('host = "mail.example.com"\n', ""), ["channels.mail.host", "missing"]),
        (MAIL.replace('"mail.example.com"', '"${NOPE}"'), ["channels.mail.host", "'NOPE'", "export NOPE"]),
        (MAIL.replace("587", "99999"), ["channels.mail.port", "99999"]),
        (MAIL.replace("587", '"smtp"'), ["channels.mail.port", "'smtp'"]),
        (MAIL.replace('"interlock@example.com"', '"a@b, c@d"'), ["channels.mail.from", "a@b, c@d"]),
        (MAIL.replace('"interlock@example.com"', '"a@b\\r\\nBcc: c@d"'), ["channels.mail.from"]),
        (MAIL + 'user = "interlock"\n', ["channels.mail", "credential"]),
        (MAIL + 'user = "i"\ncredential = "env:P"\nsecurity = "none"\n', ["channels.mail", "clear text"]),
        (MAIL + 'colour = "red"\n', ["channels.mail.colour", "spelling"]),
        (MAIL + 'events = ["lunch"]\n', ["channels.mail.events", "lunch"]),
        (MAIL + "events = []\n", ["channels.mail.events"]),
        (MAIL + 'timeout = "PT10M"\n', ["channels.mail.timeout", "PT2M"]),
        (MAIL + "timeout = 10\n", ["channels.mail.timeout", "ISO 8601"]),
        (CHAT.replace('credential = "file:/run/secrets/chat"\n', ""), ["channels.chat.credential", "missing"]),
        (CHAT + 'command = ["x"]\n', ["channels.chat.command", "not a field"]),
        (PAGER.replace('["page", "--now"]', "[]"), ["channels.pager.command"]),
        (PAGER.replace("channels.pager", 'channels."a b"'), ["channels.a b", "'a b'"]),
        ('[channel.mail]\ntype = "smtp"\n', ["[channels.NAME]", "'channel'"]),
        ("channels = { mail = 1 }\n", ["[channels.mail]"]),
        ("", ["[channels.NAME]"]),
        ("[channels.mail\n", ["TOML", "INTERLOCK_NOTICES"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_way_out(tmp_path: Path, text: str, said: list[str]) -> None:
    message = problem(tmp_path, text)
    assert all(part in message for part in said), message


def test_neither_a_secret_in_place_of_a_reference_nor_one_in_an_address_is_shown(tmp_path: Path) -> None:
    pasted = problem(tmp_path, CHAT.replace("file:/run/secrets/chat", "whsec_canary"))
    assert "channels.chat.credential" in pasted and "canary" not in pasted
    address = problem(tmp_path, CHAT.replace("https://chat.example.com/x", "ftp://chat/canary"))
    assert "channels.chat.url" in address and "canary" not in address


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoticesFileUnusable, match=r"nowhere\.toml.*INTERLOCK_NOTICES"):
        load_channels(tmp_path / "nowhere.toml", {})


def test_whoever_only_enters_notices_needs_none_of_the_variables(tmp_path: Path) -> None:
    text = MAIL.replace("587", '"${PORT}"') + PAGER + 'events = ["break_glass"]\n'
    declared = loaded(tmp_path, text, PORT="25")
    assert load_routes(tmp_path / "notices.toml") == routes_of(declared)

    (tmp_path / "notices.toml").write_text(PAGER + 'events = ["lunch"]\n')
    with pytest.raises(NoticesFileUnusable, match=r"channels\.pager\.events.*lunch"):
        load_routes(tmp_path / "notices.toml")
