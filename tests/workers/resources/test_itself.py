"""No automation calls Interlock itself: not by name, not by address, not by command, and not if it is declared."""

import sys
from pathlib import Path
from typing import Literal

import pytest
from mcp import Client, MCPError
from mcp_types import Implementation

from activities.toolbox import NotSent, UnknownServer
from contracts.skills import Caller
from tests.workers.resources.doubles import ROOT, connections, declared, stdio
from tests.workers.resources.skills import STAFF, NoticingDesk, TokenIssuer, skills_endpoint, skills_of
from workers.resources.itself import WORKER, IsItself, is_same_place, starts_itself
from workers.resources.mcp_connections.failures import not_reachable
from workers.resources.mcp_connections.listing import listed
from workers.resources.servers_file import ServersFileUnusable, load_servers
from workers.resources.skills.server import skill_server

Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
RITA = Caller(name="rita")
HTTP = '[servers.skills]\nowner = "it"\npurpose = "skills"\ntransport = "http"\nurl = "{}"\n'


@pytest.mark.parametrize("era", ERAS)
async def test_a_worker_that_lists_the_tools_of_a_server_recognises_itself(era: Era) -> None:
    async with Client(skill_server(NoticingDesk(), lambda _: RITA, "test"), mode=era) as client:
        with pytest.raises(IsItself, match="server 'skills' is Interlock itself") as found:
            await listed("skills", client)

    with pytest.raises(IsItself):  # and no connection that fails over it is tried again
        not_reachable("skills", ExceptionGroup("of the SDK", [ExceptionGroup("within", [found.value])]))


@pytest.mark.parametrize("era", ERAS)
async def test_no_worker_offers_or_calls_the_tools_of_interlock_itself(tmp_path: Path, era: Era) -> None:
    hidden = (sys.executable, "-m", "tests.workers.resources.servers.skills_stdio")
    server = stdio(command=hidden, env={"PYTHONPATH": str(ROOT)}, protocol=era)
    async with connections(tmp_path, server) as toolbox:
        for asked in (toolbox.definitions, toolbox.probe):
            with pytest.raises(UnknownServer, match="server 'peer' is Interlock itself"):
                await asked("peer")
        assert toolbox.remembered("peer") == ()


@pytest.mark.parametrize("era", ERAS)
async def test_the_skills_refuse_a_worker_whatever_it_calls(era: Era) -> None:
    desk = NoticingDesk()
    server = skill_server(desk, lambda _: RITA, "test")
    async with Client(server, mode=era, client_info=Implementation(name=WORKER, version="1")) as worker:
        with pytest.raises(MCPError, match="workers are no clients"):
            await worker.list_tools()
        with pytest.raises(MCPError, match="workers are no clients"):
            await worker.session.call_tool("whoami", {})

    assert desk.callers == []


@pytest.mark.parametrize(
    "command",
    [
        ("interlock", "mcp", "serve"),
        ("/opt/venv/bin/interlock", "mcp", "serve", "--as", "rita"),
        ("python", "-P", "-m", "cli.main", "mcp", "serve"),
        ("env", "A=1", "interlock", "mcp", "serve"),
        ("sh", "-c", "exec /opt/venv/bin/interlock mcp serve --as rita"),
        ("bash", "-lc", "cd /srv && interlock  mcp\tserve"),
    ],
)
def test_a_server_whose_command_starts_interlock_cannot_be_declared(command: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="starts Interlock's own MCP server"):
        stdio(command=command)


@pytest.mark.parametrize(
    "command", [("notes", "mcp", "serve"), ("interlock-notes", "mcp", "serve"), ("interlock", "dev")]
)
def test_a_server_that_is_only_called_alike_can(command: tuple[str, ...]) -> None:
    assert not starts_itself(command)
    assert stdio(command=command).command == command


def test_the_address_of_the_skills_cannot_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "servers.toml"
    path.write_text(HTTP.format("https://Interlock.example.com:443/mcp/"))

    with pytest.raises(
        ServersFileUnusable, match=r"servers.skills.url is where skills are served; no automation calls"
    ):
        load_servers(path, own_address="https://interlock.example.com/mcp")
    [other] = load_servers(path, own_address="https://interlock.example.com/other")
    assert other.name == "skills"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8710/mcp",
        "http://LOCALHOST.:8710/mcp/",
        "http://127.0.0.1:8710/mcp/",
        "http://127.0.0.9:8710/mcp",
        "http://[::1]:8710/mcp",
        "http://0.0.0.0:8710/mcp",
        "http://rita:secret@localhost:8710/mcp?as=rita#x",
    ],
)
def test_every_name_of_this_machine_is_its_own_address(url: str) -> None:
    assert is_same_place(url, "http://127.0.0.1:8710/mcp")
    assert not is_same_place(url, "http://127.0.0.1:8711/mcp")
    assert not is_same_place(url, "http://10.0.0.1:8710/mcp")


AS_THEY_ARE_DECLARED = ("http://127.0.0.1:{}/mcp", "http://localhost:{}/mcp", "http://LOCALHOST:{}/mcp?as=rita")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("url", [*AS_THEY_ARE_DECLARED, "http://127.0.0.1:{}/mcp/"])
async def test_no_worker_calls_the_skills_by_any_address_though_its_token_is_genuine(
    tmp_path: Path, era: Era, url: str
) -> None:
    staff, desk = TokenIssuer(STAFF), NoticingDesk()
    token = tmp_path / "token"
    token.write_text(staff.token())
    async with skills_endpoint(desk, skills_of(tmp_path, staff)) as port:
        named = {"transport": "http", "url": url.format(port), "credential": f"file:{token}", "protocol": era}
        async with connections(tmp_path, declared("notes", **named)) as toolbox:
            # With a slash too many one era does not reach it, and the other is led to it and knows it.
            with pytest.raises(UnknownServer if url in AS_THEY_ARE_DECLARED else (UnknownServer, NotSent)):
                await toolbox.definitions("notes")
            assert toolbox.remembered("notes") == ()

    assert desk.callers == []


@pytest.mark.parametrize("url", ["http://h:port/mcp", "http://[::1/mcp", ""])
def test_an_address_that_cannot_be_read_is_nobodys(url: str) -> None:
    assert not is_same_place(url, "http://h/mcp")
