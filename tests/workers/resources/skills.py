"""What the tests of skills' transports use: an issuer with keys, its tokens, and a desk that says who has called."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from contracts.model import Model
from contracts.signing import as_text
from contracts.skills import Caller, KnownAs, Skill
from workers.resources.skills.desk import Desk, Talk, UnknownSkill
from workers.resources.skills.http import caller_of_request, skills_app
from workers.resources.skills.server import skill_server
from workers.resources.skills_file import Skills, load_skills

RESOURCE = "https://interlock.example.com/mcp"
STAFF, GUESTS = "https://login.example.com", "https://guests.example.com"
ENDS_WITHIN_SECONDS = 10


@dataclass
class TokenIssuer:
    """Somebody who makes tokens, with a key of their own."""

    issuer: str
    key_id: str = "k1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def public(self) -> dict[str, Any]:
        """The public half, as a JSON Web Key."""
        x = as_text(self.key.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.key_id, "use": "sig", "alg": "EdDSA"}

    def publish(self, path: Path) -> None:
        """Write the key set."""
        path.write_text(json.dumps({"keys": [self.public()]}))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims in which everything is right; one that is None is left out."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": RESOURCE, "sub": "rita", "iat": now, "exp": now + 300}
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(self, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token with these claims."""
        named = {"kid": self.key_id, **(headers or {})}
        return jwt.encode(self.claims(**changes), self.key, algorithm="EdDSA", headers=named)


def skills_of(folder: Path, *issuers: TokenIssuer, resource: str = RESOURCE) -> Skills:
    """A skills file that takes tokens of staff and of guests, whose names begin with `guest:`."""
    staff, guests = (*issuers, TokenIssuer(GUESTS))[:2]
    staff.publish(folder / "staff.json")
    guests.publish(folder / "guests.json")
    (folder / "skills.toml").write_text(
        f"""
        resource = "{resource}"
        [issuers.staff]
        issuer = "{staff.issuer}"
        keys = "staff.json"
        [issuers.guests]
        issuer = "{guests.issuer}"
        keys = "guests.json"
        prefix = "guest:"
        [personas.guest]
        claims = {{ role = ["guest"], scope = ["rooms"] }}
        starts = ["errand"]
        """
    )
    return load_skills(folder / "skills.toml", ["errand"])


class Said(Model):
    """What the desk answers."""

    caller: str
    claims: dict[str, tuple[str, ...]]


@dataclass
class NoticingDesk:
    """A desk with one skill, which says who has called it."""

    callers: list[Caller] = field(default_factory=list)

    async def skills(self, caller: Caller) -> tuple[Skill, ...]:
        """The one."""
        schema: dict[str, JsonValue] = Said.model_json_schema(mode="serialization")
        takes: dict[str, JsonValue] = {"type": "object"}
        return (Skill(name="whoami", description="Says who calls.", takes=takes, answers=schema, reads=True),)

    async def call(self, caller: Caller, skill: str, arguments: dict[str, JsonValue], talk: Talk) -> Model:
        """Carry it out."""
        if skill != "whoami":
            raise UnknownSkill(skill)
        self.callers.append(caller)
        return Said(caller=caller.name, claims=caller.claims)


def known(**facts: Any) -> KnownAs:
    """Somebody of the roster."""
    return KnownAs.model_validate({"subject": "rita", **facts})


@asynccontextmanager
async def skills_endpoint(desk: Desk, skills: Skills) -> AsyncIterator[int]:
    """The endpoint over HTTP, on a free port of this machine; which one."""
    app = skills_app(skill_server(desk, caller_of_request, "test"), skills)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, ENDS_WITHIN_SECONDS)
