"""Channels from their declarations: the one place that knows which type is what."""

import os
import ssl
from collections.abc import Mapping, Sequence

from workers.resources.credentials import Credential
from workers.resources.notifying.channel import Channel
from workers.resources.notifying.command import CommandChannel
from workers.resources.notifying.file import ChannelDeclaration, CommandDeclaration, MailDeclaration, WebhookDeclaration
from workers.resources.notifying.smtp import MailChannel
from workers.resources.notifying.webhook import WebhookChannel


def open_channels(
    declarations: Sequence[ChannelDeclaration], environment: Mapping[str, str] = os.environ
) -> tuple[Channel, ...]:
    """A channel for each declaration; nobody is contacted yet."""
    return tuple(_opened(declared, environment) for declared in declarations)


def _opened(declared: ChannelDeclaration, environment: Mapping[str, str]) -> Channel:
    match declared:
        case MailDeclaration():
            credential = Credential(declared.credential, environment) if declared.credential else None
            return MailChannel(declared, credential, ssl.create_default_context())
        case WebhookDeclaration():
            return WebhookChannel(declared, Credential(declared.credential, environment))
        case CommandDeclaration():
            return CommandChannel(declared)
