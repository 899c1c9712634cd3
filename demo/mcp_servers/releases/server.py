"""The release system's tools."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.releases.fleet import Fleet
from demo.mcp_servers.releases.records import Service, Services, Stage, Versions
from demo.mcp_servers.tools import IDEMPOTENT_ADDITION, IDEMPOTENT_REMOVAL, READ, Reference, saying_why

ServiceName = Annotated[str, Field(min_length=1, max_length=60, description="such as checkout-api")]
VersionName = Annotated[str, Field(min_length=1, max_length=40, description="such as 2.15.0")]
AnyVersion = Annotated[str, Field(max_length=40, description="only this version; empty for all")]


def build_server(fleet: Fleet) -> MCPServer:
    """The release system over the given fleet."""
    server = MCPServer("releases", version="1.0", instructions="What runs in production.", log_level="WARNING")

    @server.tool(annotations=READ)
    def find_service(service: ServiceName) -> Services:
        """Look at a service: which version runs, which one an instance is trying, and how both are doing."""
        return fleet.find_service(service)

    @server.tool(annotations=READ)
    def find_versions(service: ServiceName, version: AnyVersion = "") -> Versions:
        """List the versions of a service, and which of them are released."""
        return fleet.find_versions(service, version)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def deploy(service: ServiceName, version: VersionName, stage: Stage, reference: Reference) -> Service:
        """Deploy a released version: to the canary (one instance) first, then to all. Repeating it changes nothing."""
        with saying_why():
            return fleet.deploy(service, version, stage, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def roll_back(service: ServiceName, reference: Reference) -> Service:
        """Run again what ran before this reference deployed anything. Succeeds when it has deployed nothing."""
        with saying_why():
            return fleet.roll_back(service, reference)

    return server
