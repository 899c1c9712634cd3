"""Bearer tokens of callers: JSON Web Tokens of configured issuers, verified against their public keys."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import jwt
from mcp.server.auth.provider import AccessToken

from contracts.skills import Caller
from workers.resources.skills_file import Issuer, Skills, SkillsFileUnusable

ALGORITHMS: Final = ("EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""All with a private and a public half: whoever can verify a token cannot make one."""
_REQUIRED: Final = ("exp", "iat", "iss", "aud")
_LEEWAY: Final = timedelta(seconds=30)
_LONGEST: Final = 16 * 1024
"""Characters of a token."""
_CALLER: Final = "interlock_caller"
"""Where an accepted token carries who calls; no issuer's claim of that name reaches it."""

logger = logging.getLogger(__name__)


class TokenRefused(Exception):
    """The token proves nothing here; the message says why, and is for the log alone."""


class KeySet:
    """The public keys of one issuer, from a file that is read again when it changed."""

    def __init__(self, path: Path) -> None:
        """Raises SkillsFileUnusable."""
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._refresh()

    def find(self, key_id: object) -> jwt.PyJWK:
        """The key of this name; without a name, the only one. Raises TokenRefused, SkillsFileUnusable."""
        self._refresh()
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise TokenRefused("it is signed with a key that the issuer does not have")
        return key

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if version != self._version:
                self._keys = _keys_of(self._path, json.loads(self._path.read_text("utf-8")))
                self._version = version
        except (OSError, ValueError) as error:
            raise SkillsFileUnusable(
                f"the keys of an issuer cannot be read from {str(self._path)!r}: {error}; "
                "put its JSON Web Key Set there"
            ) from error


def _keys_of(path: Path, document: Any) -> dict[str, jwt.PyJWK]:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        raise SkillsFileUnusable(f'{path}: holds no JSON Web Key Set; write {{"keys": [...]}}')
    return dict(_key_of(path, number, key) for number, key in enumerate(keys, start=1))


def _key_of(path: Path, number: int, key: Any) -> tuple[str, jwt.PyJWK]:
    try:
        read = jwt.PyJWK.from_dict(key)
    except (jwt.PyJWTError, TypeError, AttributeError) as error:
        raise SkillsFileUnusable(f"{path}: key {number} cannot be used: {type(error).__name__}; correct it") from error
    if read.algorithm_name not in ALGORITHMS or "d" in key:
        raise SkillsFileUnusable(
            f"{path}: key {number} is no public half of a key for one of {', '.join(ALGORITHMS)}; "
            "whoever holds it could make tokens"
        )
    return str(key.get("kid") or f"key {number}"), read


class BearerTokens:
    """Verifies tokens; the port `mcp.server.auth.provider.TokenVerifier`."""

    def __init__(self, skills: Skills) -> None:
        """Raises SkillsFileUnusable when the keys of an issuer cannot be read."""
        self._resource, self._claims = skills.resource, skills.claims()
        self._issuers = {issuer.issuer: issuer for issuer in skills.issuers.values()}
        self._keys = {issuer.issuer: KeySet(issuer.keys) for issuer in skills.issuers.values()}

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who brings it; None when it proves nothing. The token itself goes no further."""
        try:
            issuer, claims = self._verified(token)
            caller = self._caller(issuer, claims)
        except (TokenRefused, SkillsFileUnusable, jwt.PyJWTError, ValueError, RecursionError) as refused:
            why = str(refused) if isinstance(refused, TokenRefused | SkillsFileUnusable) else type(refused).__name__
            logger.warning("token_refused", extra={"why": why})
            return None
        return AccessToken(
            token="",
            client_id=str(claims.get("client_id") or claims.get("azp") or issuer.issuer),
            scopes=[],
            expires_at=int(claims["exp"]),
            resource=self._resource,
            subject=caller.name,
            claims={"iss": issuer.issuer, _CALLER: caller},
        )

    def _verified(self, token: str) -> tuple[Issuer, Mapping[str, Any]]:
        if len(token) > _LONGEST:
            raise TokenRefused(f"it has more than {_LONGEST} characters")
        header = jwt.get_unverified_header(token)
        said = jwt.decode(token, options={"verify_signature": False}).get("iss")
        issuer = self._issuers.get(said) if isinstance(said, str) else None
        if issuer is None:
            raise TokenRefused("no issuer of the skills file has made it")
        key = self._keys[issuer.issuer].find(header.get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            audience=self._resource,
            issuer=issuer.issuer,
            leeway=_LEEWAY,
            options={"require": [*_REQUIRED, issuer.subject]},
        )
        return issuer, claims

    def _caller(self, issuer: Issuer, claims: Mapping[str, Any]) -> Caller:
        said = claims[issuer.subject]
        if not isinstance(said, str) or not said.strip() or not said.isprintable():
            raise TokenRefused(f"its {issuer.subject!r} is no name")
        name = f"{issuer.prefix}{said}"
        others = [each.prefix for each in self._issuers.values() if each is not issuer and each.prefix]
        if any(name.casefold().startswith(prefix) for prefix in others if not issuer.prefix.startswith(prefix)):
            raise TokenRefused("its name begins as those of another issuer do")
        return Caller(name=name, claims={wanted: _values(wanted, claims.get(wanted)) for wanted in self._claims})


def _values(name: str, value: Any) -> tuple[str, ...]:
    """A claim is one word or a list of them; `scope` is a list written as one word."""
    if isinstance(value, str):
        return tuple(value.split()) if name == "scope" else (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def caller_of(token: AccessToken) -> Caller:
    """Who brought a token that was verified."""
    caller = (token.claims or {}).get(_CALLER)
    assert isinstance(caller, Caller)  # verify_token has made it
    return caller
