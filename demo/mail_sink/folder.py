"""The folder of a mail sink: one .eml file for each mail and recipient, in the order of arrival."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

FOLDER_NAME = "mails"


class MailFolder:
    """Keeps mails, and finds them by recipient."""

    def __init__(self, data: Path) -> None:
        self._path = data / FOLDER_NAME

    def make(self) -> None:
        """For this user only: what people are told is nobody else's business. Raises OSError."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, content: bytes, recipients: list[str]) -> None:
        """A file appears whole or not at all."""
        for recipient in recipients:
            number = len(list(self._path.glob("*.eml"))) + 1
            file = self._path / f"{number:06d}-{_file_name(recipient)}.eml"
            new = file.with_suffix(".new")
            new.write_bytes(content)
            new.replace(file)

    def sent_to(self, recipient: str) -> list[EmailMessage]:
        """The mails to an address, the oldest first."""
        files = sorted(self._path.glob(f"*-{_file_name(recipient)}.eml"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


def _file_name(recipient: str) -> str:
    return re.sub(r"[^a-z0-9@.+-]", "_", recipient.strip().lower())[:100]
