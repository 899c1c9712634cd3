"""Notices as mail: one message to one person, over SMTP."""

import asyncio
import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from activities.notices import Notice
from contracts.roster import MAIL_ADDRESS
from workers.resources.credentials import Credential, CredentialMissing
from workers.resources.notifying.channel import NotNow, Undeliverable
from workers.resources.notifying.file import MailDeclaration

DIALOGUES = 4
"""So many at once; more wait for their turn."""
_LOGIN_WANTED = 530
"""A reply about us, not about the recipient."""


class MailChannel:
    """One mail server. See workers.resources.notifying.channel.Channel."""

    def __init__(self, declared: MailDeclaration, credential: Credential | None, tls: ssl.SSLContext) -> None:
        self.name = declared.name
        self._declared, self._credential, self._tls = declared, credential, tls
        # Not the loop's own threads: those would be waited for at the end, however long a server takes.
        self._threads = ThreadPoolExecutor(DIALOGUES, thread_name_prefix="mail")
        self._free = asyncio.Semaphore(DIALOGUES)

    async def send(self, notice: Notice) -> None:
        """One message in one dialogue. Raises Undeliverable, NotNow."""
        message = message_of(notice, self._declared.sender)
        held: list[smtplib.SMTP] = []
        async with self._free:
            dialogue = asyncio.get_running_loop().run_in_executor(self._threads, self._send, message, notice, held)
            try:
                async with asyncio.timeout(self._seconds):
                    await asyncio.shield(dialogue)
            except (TimeoutError, asyncio.CancelledError) as ended:
                _hang_up(held)
                dialogue.add_done_callback(_seen)
                if isinstance(ended, TimeoutError):
                    raise NotNow(f"{self._place} took longer than {self._seconds:g} s") from None
                raise

    async def aclose(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def _seconds(self) -> float:
        return self._declared.timeout.total_seconds()

    @property
    def _place(self) -> str:
        return f"{self._declared.host}:{self._declared.port}"

    def _send(self, message: EmailMessage, notice: Notice, held: list[smtplib.SMTP]) -> None:
        with self._logged_in(held) as dialogue:
            try:
                # Not send_message: it puts a mark before lines that begin with "From".
                dialogue.sendmail(self._declared.sender, [notice.address], message.as_bytes(policy=SMTP))
            except smtplib.SMTPRecipientsRefused as refused:
                ((code, said),) = refused.recipients.values()
                raise self._refusal("the address", code, said, final=code != _LOGIN_WANTED) from None
            except smtplib.SMTPDataError as refused:
                raise self._refusal("the message", refused.smtp_code, refused.smtp_error, final=True) from None
            except smtplib.SMTPSenderRefused as refused:
                raise self._refusal("the sender", refused.smtp_code, refused.smtp_error, final=False) from None
            except (smtplib.SMTPException, OSError) as error:
                raise NotNow(f"{self._place} broke off: {type(error).__name__}") from None

    @contextmanager
    def _logged_in(self, held: list[smtplib.SMTP]) -> Iterator[smtplib.SMTP]:
        dialogue: smtplib.SMTP | None = None
        try:
            dialogue = self._greeted(held)
            self._log_in(dialogue)
        except smtplib.SMTPAuthenticationError as refused:  # not quoted: nothing of the login may be repeated
            _close(dialogue)
            raise NotNow(f"{self._place} refuses the login: {refused.smtp_code}") from None
        except (smtplib.SMTPException, OSError, CredentialMissing) as error:
            _close(dialogue)
            said = str(error) if isinstance(error, CredentialMissing | ssl.SSLError) else type(error).__name__
            raise NotNow(f"{self._place} cannot be used: {said}") from None
        try:
            yield dialogue
        finally:
            _close(dialogue)

    def _greeted(self, held: list[smtplib.SMTP]) -> smtplib.SMTP:
        where = (self._declared.host, self._declared.port)
        if self._declared.security == "tls":
            return _SafeDialogue(held, *where, timeout=self._seconds, context=self._tls)
        dialogue = _Dialogue(held, *where, timeout=self._seconds)
        if self._declared.security == "starttls":
            dialogue.starttls(context=self._tls)
        return dialogue

    def _log_in(self, dialogue: smtplib.SMTP) -> None:
        if self._declared.user is not None and self._credential is not None:
            dialogue.login(self._declared.user, self._credential.secret().reveal())

    def _refusal(self, what: str, code: int, said: bytes | str, *, final: bool) -> Undeliverable | NotNow:
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        problem = f"{self._place} refuses {what}: {code} {' '.join(text.split())}"
        return Undeliverable(problem) if final and 500 <= code < 600 else NotNow(problem)


def message_of(notice: Notice, sender: str) -> EmailMessage:
    """The mail that carries a notice. Raises Undeliverable: it has no address, or nothing that fits into a header."""
    message = EmailMessage()
    try:
        message["From"] = Address(display_name="Interlock", addr_spec=sender)
        message["To"] = _address(notice)
        message["Subject"] = _one_line(notice.subject)
        message["Date"] = format_datetime(datetime.now(UTC))
        # The same for every attempt, so that a mail sent twice can be told to be one.
        unique = hashlib.sha256(f"{notice.id} {notice.address}".encode()).hexdigest()
        message["Message-ID"] = f"<{unique}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # nobody's absence note answers it
        message.set_content(notice.body)
    except ValueError as error:
        raise Undeliverable(f"no mail can be made for {notice.recipient!r}: {error}") from None
    return message


def _address(notice: Notice) -> Address:
    if not re.fullmatch(MAIL_ADDRESS, notice.address):
        raise Undeliverable(
            f"{notice.recipient!r} has no usable mail address; correct it in the roster, the next notices go there"
        )
    return Address(addr_spec=notice.address)


def _one_line(text: str) -> str:
    if not text.isprintable() or not text:
        raise ValueError("the subject is empty, or holds a line break or control character")
    return text


class _Dialogue(smtplib.SMTP):
    """Known to `held` before its first byte, so that another thread can cut it short."""

    def __init__(self, held: list[smtplib.SMTP], host: str, port: int, *, timeout: float) -> None:
        held.append(self)
        super().__init__(host, port, timeout=timeout)


class _SafeDialogue(smtplib.SMTP_SSL):
    """The same over TLS."""

    def __init__(
        self, held: list[smtplib.SMTP], host: str, port: int, *, timeout: float, context: ssl.SSLContext
    ) -> None:
        held.append(self)
        super().__init__(host, port, timeout=timeout, context=context)


def _hang_up(held: list[smtplib.SMTP]) -> None:
    for dialogue in held:
        connection: socket.socket | None = dialogue.sock
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _close(dialogue: smtplib.SMTP | None) -> None:
    if dialogue is not None:
        dialogue.close()


def _seen(dialogue: "asyncio.Future[None]") -> None:
    if not dialogue.cancelled():
        dialogue.exception()
