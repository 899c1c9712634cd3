"""Notices as signed POSTs, in the form of Standard Webhooks: the receiver can check who sent them, and when."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from datetime import timedelta

import httpx2

from activities.notices import Notice
from workers.resources.credentials import Credential, CredentialMissing
from workers.resources.notifying.channel import NotNow, Undeliverable
from workers.resources.notifying.file import WebhookDeclaration
from workers.resources.notifying.message import document_of
from workers.resources.retry_after import retry_after_seconds

_PREFIX = "whsec_"
_SHORTEST_KEY_BYTES = 16
_PASSING = frozenset({408, 425, 429})
"""Those of the 4xx that say "not now"."""
_LONGEST_WAIT_SECONDS = 24 * 3600.0


class WebhookChannel:
    """One receiver. See workers.resources.notifying.channel.Channel."""

    def __init__(self, declared: WebhookDeclaration, credential: Credential) -> None:
        self.name = declared.name
        self._url, self._credential = declared.url, credential
        self._host = httpx2.URL(declared.url).host
        self._seconds = declared.timeout.total_seconds()
        self._client = httpx2.AsyncClient(timeout=self._seconds, follow_redirects=False)

    async def send(self, notice: Notice) -> None:
        """One POST. Raises Undeliverable, NotNow."""
        body = document_of(notice)
        request = self._client.build_request("POST", self._url, content=body, headers=self._headers(notice.id, body))
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.send(request, stream=True)  # beside the status nothing is read
                await response.aclose()
        except (
            httpx2.HTTPError,
            TimeoutError,
        ) as error:  # not quoted: it may repeat the address, which may hold a token
            raise NotNow(f"no answer from {self._host}: {type(error).__name__}") from None
        _judge(response, self._host)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        signed = f"{message_id}.{timestamp}.".encode() + body
        return {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(_signature(key, signed) for key in self._keys()),
        }

    def _keys(self) -> list[bytes]:
        try:
            return [_key(secret) for secret in self._credential.secret().reveal().split()]
        except CredentialMissing as missing:
            raise NotNow(str(missing)) from None
        except ValueError:
            raise NotNow(
                f"{self._credential!r} is no signing secret; put {_PREFIX} and the base64 of at least "
                f"{_SHORTEST_KEY_BYTES} bytes there"
            ) from None


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        raise ValueError("no signing secret")
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if len(key) < _SHORTEST_KEY_BYTES:
        raise binascii.Error("too short")
    return key


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _judge(response: httpx2.Response, host: str) -> None:
    status = response.status_code
    if response.is_success:
        return
    problem = f"{host} answered {status}"
    if 400 <= status < 500 and status not in _PASSING:
        raise Undeliverable(problem)
    asked = min(retry_after_seconds(response.headers) or 0.0, _LONGEST_WAIT_SECONDS)
    raise NotNow(problem, timedelta(seconds=asked))
