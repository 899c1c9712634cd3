"""Mail, to a real server on this machine: what arrives, what never will, and what may later."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activities.notices import Notice
from tests.workers.resources.doubles import free_port
from tests.workers.store.samples import notice
from workers.resources.credentials import Credential
from workers.resources.notifying.channel import NotNow, NotSent, Undeliverable
from workers.resources.notifying.file import MailDeclaration
from workers.resources.notifying.smtp import MailChannel

HERE = "127.0.0.1"


@dataclass
class Office:
    """Keeps what it is given, and refuses as it is told."""

    to_recipients: str = "250 OK"
    to_messages: str = "250 OK"
    mails: list[Message] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.to_recipients

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        self.recipients.append(envelope.rcpt_tos)
        self.encrypted.append(session.ssl is not None)
        return self.to_messages


@contextmanager
def served(office: Office, **options: Any) -> Iterator[int]:
    """The office's mail server; its port."""
    port = free_port()
    controller = Controller(office, hostname=HERE, port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def channel(
    port: int,
    credential: str = "",
    environment: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    **said: Any,
) -> MailChannel:
    """A channel to that port."""
    fields = {"name": "mail", "type": "smtp", "host": HERE, "port": port, "from": "interlock@example.com"}
    fields |= {"security": "none", "credential": credential or None} | said
    declared = MailDeclaration.model_validate(fields)
    reference = Credential(credential, environment or {}) if credential else None
    return MailChannel(declared, reference, tls or ssl.create_default_context())


async def refusal(of: MailChannel, what: Notice) -> NotSent:
    """How the channel says no."""
    with pytest.raises(NotSent) as caught:
        await of.send(what)
    await of.aclose()
    return caught.value


def text_of(mail: Message) -> str:
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


async def test_a_notice_arrives_as_one_mail_to_one_person() -> None:
    office = Office()
    with served(office) as port:
        mail = channel(port)
        await mail.send(notice())
        await mail.send(notice())
        await mail.aclose()

    first, second = office.mails
    assert office.recipients == [["fiona@example.com"], ["fiona@example.com"]]
    assert (first["To"], first["From"]) == ("fiona@example.com", "Interlock <interlock@example.com>")
    assert (first["Subject"], text_of(first)) == ("approval wanted", "read it\n")
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] == second["Message-ID"]


async def test_what_is_not_ascii_and_what_ends_a_message_arrive_unharmed() -> None:
    office = Office()
    body = "Grüße\n.\nQUIT\nFrom here\n"
    with served(office) as port:
        mail = channel(port)
        await mail.send(notice().model_copy(update={"subject": "Freigabe für Ω", "body": body}))
        await mail.aclose()
    assert [text_of(arrived) for arrived in office.mails] == [body]


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "fiona@example.com\r\nBcc: all@example.com"},
        {"address": "fiona@example.com, all@example.com"},
        {"address": "Fiona <fiona@example.com>"},
        {"address": "fiona"},
        {"address": "fiona@"},
        {"address": "@example.com"},
        {"address": "fiona@@example.com"},
        {"address": '"'},
        {"address": "fiona@[127.0.0.1"},
        {"address": "fiona lynch@example.com"},
        {"address": "-oQ/tmp <fiona@example.com"},
        {"address": "fi\u00f3na@example.com"},
        {"address": ""},
        {"subject": "approval\r\nBcc: all@example.com"},
        {"subject": "approval\nwanted"},
        {"subject": "\ud800"},
        {"body": "\ud800"},
    ],
)
async def test_what_would_bend_a_header_is_undeliverable_and_nothing_is_sent(changed: dict[str, str]) -> None:
    office = Office()
    with served(office) as port:
        assert isinstance(await refusal(channel(port), notice().model_copy(update=changed)), Undeliverable)
    assert office.mails == []


@pytest.mark.parametrize(
    ("to_recipients", "to_messages", "final"),
    [
        ("550 no such user here", "250 OK", True),
        ("553 mailbox name not allowed", "250 OK", True),
        ("530 log in first", "250 OK", False),
        ("450 mailbox busy", "250 OK", False),
        ("452 too many mails", "250 OK", False),
        ("250 OK", "554 looks like spam", True),
        ("250 OK", "451 try later", False),
    ],
)
async def test_a_permanent_refusal_is_final_and_a_passing_one_is_not(
    to_recipients: str, to_messages: str, final: bool
) -> None:
    with served(Office(to_recipients, to_messages)) as port:
        refused = await refusal(channel(port), notice())
    assert isinstance(refused, Undeliverable) is final and isinstance(refused, NotNow) is not final
    assert (to_recipients if to_messages.startswith("250") else to_messages) in str(refused)


async def test_a_server_that_is_not_there_may_be_there_later() -> None:
    refused = await refusal(channel(free_port()), notice())
    assert isinstance(refused, NotNow) and "ConnectionRefusedError" in str(refused)


async def test_a_server_that_says_its_lines_drop_by_drop_does_not_outlast_the_timeout() -> None:
    hung_up = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-")
        while not reader.at_eof():
            writer.write(b"x")
            try:
                await asyncio.wait_for(reader.read(100), 0.05)
            except TimeoutError:
                continue
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(drip, HERE, 0)
    begun = time.monotonic()
    refused = await refusal(channel(server.sockets[0].getsockname()[1], timeout="PT0.5S"), notice())
    async with asyncio.timeout(10):
        await hung_up.wait()
    server.close()
    assert isinstance(refused, NotNow) and "0.5 s" in str(refused)
    assert time.monotonic() - begun < 10


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a mail server of the tests")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = built.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def server_side(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


def only(user: str, password: str) -> Any:
    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()), handled=False)

    return authenticate


LOGIN: dict[str, Any] = {
    "user": "interlock",
    "credential": "env:MAIL_PASSWORD",
    "security": "starttls",
    "host": "localhost",
}


async def test_the_login_is_sent_after_tls_alone(authority: Path) -> None:
    office = Office()
    options = {"tls_context": server_side(authority), "require_starttls": True, "auth_required": True}
    trusting = ssl.create_default_context(cafile=str(authority))
    with served(office, authenticator=only("interlock", "s3cret"), **options) as port:
        mail = channel(port, environment={"MAIL_PASSWORD": "s3cret"}, tls=trusting, **LOGIN)
        await mail.send(notice())
        await mail.aclose()
        wrong = await refusal(channel(port, environment={"MAIL_PASSWORD": "wr0ng"}, tls=trusting, **LOGIN), notice())
        missing = await refusal(channel(port, tls=trusting, **LOGIN), notice())
    assert office.encrypted == [True]
    assert isinstance(wrong, NotNow) and "refuses the login: 535" in str(wrong) and "wr0ng" not in str(wrong)
    assert isinstance(missing, NotNow) and "env:MAIL_PASSWORD" in str(missing)


async def test_tls_from_the_first_byte(authority: Path) -> None:
    office = Office()
    with served(office, ssl_context=server_side(authority), server_hostname="localhost") as port:
        trusting = ssl.create_default_context(cafile=str(authority))
        mail = channel(port, tls=trusting, security="tls", host="localhost")
        await mail.send(notice())
        await mail.aclose()
        plain = await refusal(channel(port, timeout="PT1S"), notice())
    assert len(office.mails) == 1
    assert isinstance(plain, NotNow)


async def test_a_server_that_cannot_prove_its_name_or_offers_no_tls_gets_nothing(authority: Path) -> None:
    office = Office()
    with served(office, tls_context=server_side(authority)) as port:
        unknown = await refusal(channel(port, environment={"MAIL_PASSWORD": "s3cret"}, **LOGIN), notice())
    with served(office) as port:
        plain = await refusal(channel(port, environment={"MAIL_PASSWORD": "s3cret"}, **LOGIN), notice())
    assert isinstance(unknown, NotNow) and "certificate" in str(unknown)
    assert isinstance(plain, NotNow) and "SMTPNotSupportedError" in str(plain)
    assert office.mails == []
