"""Signed webhooks, to a real receiver: who sent it can be checked, and the status says whether to try again."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.workers.resources.doubles import Heard, ScriptedHttp, free_port, reply
from tests.workers.store.samples import notice
from workers.resources.credentials import Credential
from workers.resources.notifying.channel import NotNow, NotSent, Undeliverable
from workers.resources.notifying.file import WebhookDeclaration
from workers.resources.notifying.webhook import WebhookChannel

KEY, NEXT_KEY = b"k" * 24, b"n" * 32


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def channel(port: int, value: str = secret(KEY), **said: Any) -> WebhookChannel:
    """A channel to that port."""
    url = f"http://127.0.0.1:{port}/hooks/t0ken?to=ops"
    declared = {"name": "chat", "type": "webhook", "url": url, "credential": "env:HOOK"} | said
    return WebhookChannel(WebhookDeclaration.model_validate(declared), Credential("env:HOOK", {"HOOK": value}))


def receiver(status: int, **headers: str) -> ScriptedHttp:
    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        reply(writer, status, b"{}", **headers)

    return ScriptedHttp(answer)


async def refusal(of: WebhookChannel) -> NotSent:
    """How the channel says no. Never with its address, which may hold a token."""
    with pytest.raises(NotSent) as caught:
        await of.send(notice(recipient=""))
    await of.aclose()
    assert "t0ken" not in str(caught.value)
    return caught.value


async def test_the_receiver_can_check_who_sent_what_and_when() -> None:
    told = notice(recipient="")
    async with receiver(204).running() as http:
        chat = channel(http.port, f"{secret(NEXT_KEY)} {secret(KEY)}")
        await chat.send(told)
        await chat.aclose()

    (heard,) = http.heard
    assert (heard.method, heard.path) == ("POST", "/hooks/t0ken?to=ops")
    assert heard.headers["webhook-id"] == told.id
    assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 60
    signed = b".".join((told.id.encode(), heard.headers["webhook-timestamp"].encode(), heard.body))
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in (NEXT_KEY, KEY)]
    assert heard.headers["webhook-signature"].split(" ") == [f"v1,{one}" for one in expected]
    document = json.loads(heard.body)
    assert document["type"] == "interlock.request"
    assert document["data"]["subject"] == told.subject and document["data"]["request_id"] == told.request_id
    assert "address" not in document["data"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
async def test_what_the_receiver_will_never_take_is_undeliverable(status: int) -> None:
    async with receiver(status).running() as http:
        refused = await refusal(channel(http.port))
    assert isinstance(refused, Undeliverable) and str(status) in str(refused)


@pytest.mark.parametrize("status", [302, 408, 425, 429, 500, 502, 503])
async def test_what_it_may_take_later_is_sent_later_and_as_late_as_it_asks(status: int) -> None:
    async with receiver(status, retry_after="90", location="http://127.0.0.1:9/").running() as http:
        refused = await refusal(channel(http.port))
    assert isinstance(refused, NotNow)
    assert refused.not_before == timedelta(seconds=90)
    assert len(http.heard) == 1  # no redirection is followed


@pytest.mark.parametrize("asked", ["soon", "-1", "inf", "99999999999", ""])
async def test_a_senseless_retry_after_is_bounded(asked: str) -> None:
    async with receiver(503, retry_after=asked).running() as http:
        refused = await refusal(channel(http.port))
    assert isinstance(refused, NotNow)
    assert timedelta(0) <= refused.not_before <= timedelta(days=1)


async def test_no_answer_is_not_now() -> None:
    refused = await refusal(channel(free_port()))
    assert isinstance(refused, NotNow) and "127.0.0.1" in str(refused)


async def test_a_receiver_that_never_comes_to_an_end_does_not_outlast_the_timeout() -> None:
    async def drip(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with asyncio.timeout(20), ScriptedHttp(drip).running() as http:
        refused = await refusal(channel(http.port, timeout="PT0.5S"))
    assert isinstance(refused, NotNow)


@pytest.mark.parametrize("value", ["", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", base64.b64encode(KEY).decode()])
async def test_without_a_usable_signing_secret_nothing_is_sent_unsigned(value: str) -> None:
    async with receiver(200).running() as http:
        refused = await refusal(channel(http.port, value))
    assert isinstance(refused, NotNow) and "env:HOOK" in str(refused)
    assert len(value) < 10 or value not in str(refused)
    assert http.heard == []


async def test_a_secret_in_a_file_is_read_anew_when_it_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(secret(KEY) + "\n")
    async with receiver(200).running() as http:
        declared = {"name": "chat", "type": "webhook", "url": f"http://127.0.0.1:{http.port}/"}
        reference = f"file:{path}"
        chat = WebhookChannel(
            WebhookDeclaration.model_validate(declared | {"credential": reference}), Credential(reference)
        )
        await chat.send(notice())
        path.write_text(f"{secret(NEXT_KEY)} {secret(KEY)}\n")
        await chat.send(notice())
        await chat.aclose()
    assert [len(heard.headers["webhook-signature"].split()) for heard in http.heard] == [1, 2]
