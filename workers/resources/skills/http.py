"""Skills over streamable HTTP: a bearer token with every request, and no request from a page of somebody else's."""

import logging
import signal
import socket
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.routing import Route

from contracts.skills import Caller
from workers.resources.skills.talking import Context
from workers.resources.skills.tokens import BearerTokens, caller_of
from workers.resources.skills_file import Skills

PATH: Final = "/mcp"
BODY_BYTES: Final = 256 * 1024
"""An input has at most 32 KiB, a signed statement 8."""
SESSIONS: Final = 1000
"""Open at a time, of clients of the earlier protocol era."""
CLOSING_SECONDS: Final = 2
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_URL: TypeAdapter[AnyHttpUrl] = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Exactly as it is written: an issuer is told by its every character."""


class NobodyCalls(Exception):
    """A request without a caller has come as far as a skill; it must never."""


def caller_of_request(context: Context) -> Caller:
    """Who has proved who they are with the token of this very request. Raises NobodyCalls."""
    request = context.request
    user = request.scope.get("user") if isinstance(request, Request) else None
    if not isinstance(user, AuthenticatedUser):
        raise NobodyCalls("this request has no token")
    return caller_of(user.access_token)


def skills_app(server: Server[Any], skills: Skills) -> Starlette:
    """The endpoint, and the metadata that tells clients whose tokens it takes. Raises SkillsFileUnusable."""
    manager = StreamableHTTPSessionManager(
        server,
        security_settings=_from_here(skills.resource),
        max_request_body_size=BODY_BYTES,
        max_sessions=SESSIONS,
    )
    tokens = BearerTokens(skills)
    resource = _URL.validate_python(skills.resource)
    issuers = [_URL.validate_python(issuer.issuer) for issuer in skills.issuers.values()]
    guarded = RequireAuthMiddleware(StreamableHTTPASGIApp(manager), [], build_resource_metadata_url(resource))
    return Starlette(
        routes=[Route(PATH, endpoint=guarded), *create_protected_resource_routes(resource, issuers)],
        middleware=[Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(tokens))],
        lifespan=lambda _: manager.run(),
    )


def _from_here(resource: str) -> TransportSecuritySettings:
    """Requests that name this machine, or the public address; a page in a browser could name any other."""
    public = urlsplit(resource)
    return TransportSecuritySettings(
        allowed_hosts=[f"{host}:*" for host in _LOOPBACK] + [public.netloc],
        allowed_origins=[f"http://{host}:*" for host in _LOOPBACK] + [f"{public.scheme}://{public.netloc}"],
    )


async def serve_http(app: Starlette, listener: socket.socket) -> None:
    """Until SIGTERM or SIGINT."""
    logging.getLogger("mcp").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=CLOSING_SECONDS
    )
    # uvicorn raises the signal once more when it has closed; by then the end is a clean one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await uvicorn.Server(config).serve(sockets=[listener])
