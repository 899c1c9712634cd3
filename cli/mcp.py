"""`interlock mcp`: offer the automations to MCP clients, such as Claude at a front desk."""

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from activities.reads import Nothing
from cli import exits
from cli.automations import load_catalog
from cli.connection import AddressOption, NamespaceOption, ask_server
from cli.exits import Refused, WrongInput
from cli.keys import SigningKey, key_in
from cli.outside import as_argument
from cli.printing import say, tell
from cli.server import Server, someone
from contracts.deployment import Deployment, Mode
from contracts.skills import Caller, KnownAs, WhoQuery
from workflows.catalog import Catalog

if TYPE_CHECKING:
    from workers.resources.skills.desk import Desk
    from workers.resources.skills_file import Skills

app = typer.Typer(no_args_is_help=True, add_completion=False)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
Serving = Callable[["Desk", Deployment], Awaitable[None]]
"""Serves a desk until the client leaves, or the process is told to stop."""


@app.callback()
def mcp() -> None:
    """Offer the automations to MCP clients."""


@app.command("serve")
def serve_command(
    http: Annotated[
        str, typer.Option("--http", help="Serve streamable HTTP here instead of stdio.", metavar="[HOST:]PORT")
    ] = "",
    skills_file: Annotated[
        Path | None,
        typer.Option("--skills", help="Who is offered what, and whose tokens are taken.", envvar="INTERLOCK_SKILLS"),
    ] = None,
    service: Annotated[
        str, typer.Option("--service", help="The service whose key signs starts.", envvar="INTERLOCK_SERVICE")
    ] = "",
    user: Annotated[str, typer.Option("--as", help="Over stdio: who you are.", envvar="INTERLOCK_REQUESTER")] = "",
    address: AddressOption = "",
    namespace: NamespaceOption = "",
) -> int:
    """Serve every automation as one MCP tool, over stdio; or over HTTP, where callers bring a bearer token.

    Callers are the requesters that policy sees. Nothing here signs a decision: people decide with their own keys.
    """
    catalog = load_catalog()
    skills = _skills(skills_file, catalog)
    serve = _over_http(http, skills) if http else _over_stdio(someone("--as", user))

    async def work(server: Server) -> int:
        from cli.skills import SkillDesk

        deployment = await server.read("deployment_facts", Nothing(), Deployment)
        key = await serving_key(server, deployment, service)
        await serve(SkillDesk(server, catalog, skills, key), deployment)
        return exits.DONE

    return ask_server(address, namespace, "interlock mcp serve", work)


def _over_stdio(user: str) -> Serving:
    async def serve(desk: "Desk", deployment: Deployment) -> None:
        from workers.skills import over_stdio

        tell(f"skills of deployment {deployment.id} on standard input and output, for {user}")
        await over_stdio(desk, Caller(name=user, local=True))

    return serve


def _over_http(address: str, skills: "Skills | None") -> Serving:
    """Takes the port at once. Raises WrongInput when callers could not prove who they are."""
    if skills is None or not skills.issuers or not skills.resource:
        raise WrongInput(
            "--http needs a skills file with `resource` and [issuers.NAME]: callers must prove who they are; "
            "name it with --skills or INTERLOCK_SKILLS"
        )
    listener = _listener(address)

    async def serve(desk: "Desk", deployment: Deployment) -> None:
        from workers.skills import http_endpoint, over_http

        endpoint = http_endpoint(desk, skills)
        host, port = listener.getsockname()[:2]
        say(f"skills of deployment {deployment.id} at http://{f'[{host}]' if ':' in host else host}:{port}/mcp")
        await over_http(endpoint, listener)

    return serve


def _skills(path: Path | None, catalog: Catalog) -> "Skills | None":
    from workers.resources.skills_file import load_skills

    return load_skills(path, [entry.name for entry in catalog.entries()]) if path is not None else None


async def serving_key(server: Server, deployment: Deployment, service: str) -> SigningKey | None:
    """The key that signs starts: a service's, and never that of a person. Raises WrongInput, Refused."""
    if not service:
        if deployment.mode is Mode.DEVELOPMENT:
            return None
        raise WrongInput(
            f"deployment {deployment.id!r} runs in production, where starts are signed; enrol a service with "
            "`interlock approvers enrol NAME --service`, and name it with --service or INTERLOCK_SERVICE"
        )
    known = await server.read("who_is", WhoQuery(name=service), KnownAs)
    if not known.service and not (known.everybody and deployment.mode is Mode.DEVELOPMENT):
        raise Refused(
            f"{service!r} is no service of the roster in force, and the key of a person signs nothing here; "
            f"enrol one with `interlock approvers enrol {as_argument(service)} --service`, and have it put in force"
        )
    return key_in(deployment, service, "starts")


def _listener(address: str) -> socket.socket:
    """The port, taken; on this machine alone where no host is named. Raises WrongInput."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or _LOOPBACK[0]
    if not (port.isdecimal() and port.isascii() and int(port) < 65536):
        raise WrongInput(f"--http {address!r} is no address; give HOST:PORT, such as 127.0.0.1:8710, or a port alone")
    if host not in _LOOPBACK:
        tell("note: tokens travel in the clear here; put a proxy that speaks TLS before it")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        raise WrongInput(f"--http {address}: cannot listen there: {error.strerror or error}; give another") from error
