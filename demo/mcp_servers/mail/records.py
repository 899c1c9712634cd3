"""What the mail service answers with."""

from datetime import datetime

from pydantic import Field

from demo.mcp_servers.record import Record


class Mail(Record):
    mail_id: str
    to: str
    subject: str
    body: str
    sent_at: datetime


class SentMail(Record):
    mail_id: str
    to: str
    subject: str
    sent_at: datetime


class Confirmation(Record):
    order_id: str
    sent: bool = Field(description="false when the customer has no e-mail address")
    mail_id: str | None = None


class MailBox(Record):
    to: str
    count: int
    mails: list[Mail] = Field(description="oldest first")


class ResolutionConfirmed(Record):
    reference: str
    order_id: str
    ticket: str
    outcome: str
    cents: int
    page_id: str
    sent: bool = Field(description="false when the customer has no e-mail address")
    mail_id: str | None = None


class ResolutionsConfirmed(Record):
    reference: str
    count: int
    confirmations: list[ResolutionConfirmed] = Field(description="oldest first")
