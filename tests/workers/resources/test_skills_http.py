"""Skills over HTTP: only who brings a genuine token for this endpoint calls, under the name that the token proves."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.signing import as_text
from tests.workers.resources.skills import GUESTS, RESOURCE, STAFF, NoticingDesk, TokenIssuer, skills_of
from workers.resources.skills.http import BODY_BYTES, caller_of_request, skills_app
from workers.resources.skills.server import skill_server

MODERN = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
}
NOW, HOUR = int(time.time()), 3600  # a whole run of all tests takes less


@pytest.fixture
def staff() -> TokenIssuer:
    """The issuer of people who work here."""
    return TokenIssuer(STAFF)


@pytest.fixture
def guests() -> TokenIssuer:
    """The issuer of guests."""
    return TokenIssuer(GUESTS)


class Endpoint:
    """The endpoint, without a socket."""

    def __init__(self, http: httpx2.AsyncClient, desk: NoticingDesk) -> None:
        self._http, self.desk = http, desk

    async def post(self, token: str | None, body: Any = None, **headers: str) -> httpx2.Response:
        """Call the skill with this token."""
        params = {"name": "whoami", "arguments": {}, "_meta": ENVELOPE}
        usual = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": MODERN,
            "mcp-method": "tools/call",
            "mcp-name": "whoami",
            **({"authorization": f"Bearer {token}"} if token is not None else {}),
        }
        sent = body if body is not None else {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return await self._http.post("/mcp", content=json.dumps(sent), headers=usual | headers)

    async def caller(self, token: str | None, **headers: str) -> str:
        """Who called, or the status of the refusal."""
        answer = await self.post(token, **headers)
        if answer.status_code != 200:
            return str(answer.status_code)
        return str(answer.json()["result"]["structuredContent"]["caller"])

    async def get(self, path: str) -> httpx2.Response:
        """Read something of the endpoint."""
        return await self._http.get(path)


@asynccontextmanager
async def serving(folder: Path, *issuers: TokenIssuer) -> AsyncIterator[Endpoint]:
    """The endpoint that takes tokens of these."""
    desk = NoticingDesk()
    app = skills_app(skill_server(desk, caller_of_request, "test"), skills_of(folder, *issuers))
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8710") as http,
    ):
        yield Endpoint(http, desk)


async def test_a_genuine_token_proves_who_calls(tmp_path: Path, staff: TokenIssuer, guests: TokenIssuer) -> None:
    async with serving(tmp_path, staff, guests) as endpoint:
        callers = [
            await endpoint.caller(staff.token()),
            await endpoint.caller(staff.token(aud=["other", RESOURCE], sub="Rita-7")),
            await endpoint.caller(guests.token(sub="rita", role="guest", scope="rooms pool", email="x@example.com")),
        ]

    assert callers == ["rita", "Rita-7", "guest:rita"]
    assert endpoint.desk.callers[-1].claims == {"role": ("guest",), "scope": ("rooms", "pool")}


async def test_a_token_that_proves_nothing_here_lets_nobody_in(
    tmp_path: Path, staff: TokenIssuer, guests: TokenIssuer
) -> None:
    stranger = TokenIssuer(STAFF)
    pem = staff.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = staff.key.public_key().public_bytes_raw()
    named = {"kid": "k1"}
    false = {
        "none": None,
        "empty": "",
        "no token": "approve",
        "unsigned": jwt.encode(staff.claims(), "", algorithm="none", headers=named),
        "signed with the public half": jwt.encode(staff.claims(), raw, algorithm="HS256", headers=named),
        "signed with the published text": _by_hand(staff.claims(), pem),
        "of another key": stranger.token(),
        "of a key nobody has": staff.token(headers={"kid": "k2"}),
        "of an issuer nobody knows": TokenIssuer("https://elsewhere.example.com").token(),
        "in the name of the other issuer": guests.token(iss=STAFF),
        "for another audience": staff.token(aud="https://other.example.com/mcp"),
        "for none": staff.token(aud=None),
        "expired": staff.token(exp=NOW - 60),
        "without an end": staff.token(exp=None),
        "not yet valid": staff.token(nbf=NOW + HOUR),
        "from the future": staff.token(iat=NOW + HOUR),
        "without a beginning": staff.token(iat=None),
        "of nobody": staff.token(sub=None),
        "of no name": staff.token(sub="  "),
        "of a name with a line break": staff.token(sub="rita\nfiona"),
        "of a name as guests have": staff.token(sub="guest:5812"),
        "of the same in capitals": staff.token(sub="GUEST:5812"),
        "of a name without end": staff.token(sub="x" * 201),
        "without end": staff.token(more="x" * 20_000),
    }
    async with serving(tmp_path, staff, guests) as endpoint:
        refused = {what: await endpoint.caller(token) for what, token in false.items()}
        twice = await endpoint.post(staff.token(), authorization="Basic cml0YTpyaXRh")

    assert set(refused.values()) == {"401"}, refused
    assert twice.status_code == 401
    assert endpoint.desk.callers == []


def _by_hand(claims: dict[str, Any], secret: bytes) -> str:
    """What the library refuses to make: an HMAC over a text that everybody has."""
    head, body = (as_text(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "k1"}, claims))
    return f"{head}.{body}.{as_text(hmac.new(secret, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


async def test_a_client_without_a_token_is_told_whose_it_should_bring(tmp_path: Path, staff: TokenIssuer) -> None:
    async with serving(tmp_path, staff) as endpoint:
        refused = await endpoint.post(None)
        metadata = (await endpoint.get("/.well-known/oauth-protected-resource/mcp")).json()

    assert "/.well-known/oauth-protected-resource/mcp" in refused.headers["www-authenticate"]
    assert metadata["resource"] == RESOURCE
    assert metadata["authorization_servers"] == [STAFF, GUESTS]


async def test_a_key_that_an_issuer_has_replaced_is_taken_no_longer(tmp_path: Path, staff: TokenIssuer) -> None:
    async with serving(tmp_path, staff) as endpoint:
        old = staff.token()
        assert await endpoint.caller(old) == "rita"
        renewed = TokenIssuer(STAFF, key_id="k2026")
        renewed.publish(tmp_path / "staff.json")
        callers = [await endpoint.caller(token) for token in (old, renewed.token())]
        (tmp_path / "staff.json").write_text("{")
        callers.append(await endpoint.caller(renewed.token()))

    assert callers == ["401", "rita", "401"]


async def test_a_page_of_somebody_else_in_a_browser_reaches_nothing(tmp_path: Path, staff: TokenIssuer) -> None:
    async with serving(tmp_path, staff) as endpoint:
        answers = [
            await endpoint.caller(staff.token(), origin="https://evil.example.com"),
            await endpoint.caller(staff.token(), host="evil.example.com"),
            await endpoint.caller(staff.token(), host="interlock.example.com", origin="https://interlock.example.com"),
        ]

    assert answers == ["403", "421", "rita"]


async def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path, staff: TokenIssuer) -> None:
    async with serving(tmp_path, staff) as endpoint:
        answer = await endpoint.post(staff.token(), body={"much": "x" * BODY_BYTES})

    assert answer.status_code == 413
    assert endpoint.desk.callers == []


async def test_a_session_of_somebody_else_is_as_unknown_as_one_there_is_not(
    tmp_path: Path, staff: TokenIssuer, guests: TokenIssuer
) -> None:
    legacy = {"mcp-protocol-version": "2025-11-25"}
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    async with serving(tmp_path, staff, guests) as endpoint:
        opened = await endpoint.post(staff.token(), opening, **legacy)
        session = {**legacy, "mcp-session-id": opened.headers["mcp-session-id"]}
        answers = [
            await endpoint.post(staff.token(), listing, **session),
            await endpoint.post(staff.token(sub="fiona"), listing, **session),
            await endpoint.post(guests.token(), listing, **session),
            await endpoint.post(staff.token(), listing, **{**session, "mcp-session-id": "0" * 32}),
        ]

    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
    assert answers[1].content == answers[2].content == answers[3].content
