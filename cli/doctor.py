"""`interlock doctor`: does what is configured work? One line for each check, with the way out."""

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from cli import exits
from cli.automations import load_catalog
from cli.connection import AddressOption, NamespaceOption, connect, find_development, find_server
from cli.exits import CommandFailed, NotReachable, WrongInput
from cli.failures import explained
from cli.office import settings_here
from cli.printing import say, say_json
from cli.server import NO_WORKER, Server, Work
from contracts.runs import TASK_QUEUE
from workers.embedded.another_worker import for_another_worker
from workers.embedded.running import RunningDevelopment
from workers.settings import Settings
from workers.store_checks import Check, store_checks

OLDEST_PYTHON: Final = (3, 11)
ANTHROPIC: Final = "https://api.anthropic.com"


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    address: AddressOption = "",
    namespace: NamespaceOption = "",
) -> int:
    """Check that what is configured works; 0 only if all of it does."""
    checks = asyncio.run(_all(address, namespace))
    if as_json:
        say_json([check.model_dump(mode="json") for check in checks])
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.found}")
    return exits.DONE if all(check.ok for check in checks) else exits.REFUSED


async def _all(address: str, namespace: str) -> list[Check]:
    local = await asyncio.to_thread(lambda: [*_machine(), *_configuration()])
    return [*local, *[check async for check in _temporal(address, namespace)]]


def _machine() -> Iterator[Check]:
    new_enough = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    yield Check(
        name="python",
        ok=new_enough,
        found=platform.python_version() + ("" if new_enough else f"; install {oldest} or newer"),
    )
    from workers.embedded.temporal_server import TemporalBinaryMissing, temporal_binary

    try:
        yield Check(name="temporal program", ok=True, found=temporal_binary())
    except TemporalBinaryMissing as missing:
        yield Check(name="temporal program", ok=False, found=str(missing))


def _configuration() -> Iterator[Check]:
    try:
        settings = Settings.read()
    except ValueError as error:
        yield Check(name="settings", ok=False, found=f"{error}; correct the environment variable")
        return
    running = _development()
    yield _mode(settings, running)
    yield _claude(settings, running)
    yield _automations()
    if settings.servers is not None:
        yield _servers(settings.servers, os.environ)
    elif running is not None:
        yield _servers(running.servers_file, for_another_worker(running, os.environ))
    if settings.skills is not None:
        yield _skills(settings.skills)
    yield _channels(settings.notices, running)
    yield from _store(_store_url(settings, running))


def _development() -> RunningDevelopment | None:
    try:
        return find_development(Path.cwd())[0]
    except NotReachable:
        return None


def _mode(settings: Settings, running: RunningDevelopment | None) -> Check:
    if running is not None:
        found = f"{running.mode.value}, deployment {running.deployment}, by `interlock dev`"
        return Check(name="mode", ok=True, found=found)
    return Check(name="mode", ok=True, found=f"{settings.mode.value}, deployment {settings.deployment}")


def _claude(settings: Settings, running: RunningDevelopment | None) -> Check:
    if running is not None and running.simulator_url is not None:
        return Check(name="claude", ok=True, found=f"the simulator at {running.simulator_url}")
    base_url = os.environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC
    key = "a key is set" if os.environ.get("ANTHROPIC_API_KEY") else "no key here: workers need ANTHROPIC_API_KEY"
    return Check(name="claude", ok=True, found=f"{settings.model} at {_without_secrets(base_url)}; {key}")


def _without_secrets(url: str) -> str:
    """The address without user, password and query, where people put keys."""
    scheme, separator, rest = url.partition("://")
    place = rest.partition("?")[0] if separator else scheme.partition("?")[0]
    authority, slash, path = place.partition("/")
    return f"{scheme + separator if separator else ''}{authority.rpartition('@')[2]}{slash}{path}"


def _automations() -> Check:
    try:
        names = ", ".join(entry.name for entry in load_catalog().entries())
    except Exception as error:  # noqa: BLE001 - an automation of the user's own may raise anything when imported
        return Check(name="automations", ok=False, found=f"{type(error).__name__}: {error}; correct the module")
    return Check(name="automations", ok=True, found=names)


def _skills(file: Path) -> Check:
    from workers.resources.skills_file import SkillsFileUnusable, load_skills

    try:
        skills = load_skills(file, [entry.name for entry in load_catalog().entries()])
    except (SkillsFileUnusable, ImportError) as unusable:
        return Check(name="skills", ok=False, found=str(unusable))
    return Check(name="skills", ok=True, found=f"{', '.join(skills.personas)}; tokens of {len(skills.issuers)} issuers")


def _servers(file: Path, environment: Mapping[str, str]) -> Check:
    from workers.resources.servers_file import ServersFileUnusable, load_servers

    try:
        declared = ", ".join(server.name for server in load_servers(file, environment))
    except ServersFileUnusable as unusable:
        return Check(name="servers", ok=False, found=str(unusable))
    return Check(name="servers", ok=True, found=f"{file}: {declared}")


def _channels(file: Path | None, running: RunningDevelopment | None) -> Check:
    from workers.resources.notifying.file import NoticesFileUnusable, load_channels

    environment: Mapping[str, str] = os.environ
    if file is None and running is not None and running.notices_file is not None:
        file, environment = running.notices_file, for_another_worker(running, os.environ)
    if file is None:
        return Check(name="channels", ok=True, found="none, so people are not told; set INTERLOCK_NOTICES to a file")
    try:
        declared = ", ".join(f"{each.name} ({each.type})" for each in load_channels(file, environment))
    except NoticesFileUnusable as unusable:
        return Check(name="channels", ok=False, found=str(unusable))
    return Check(name="channels", ok=True, found=f"{file}: {declared}")


def _store_url(settings: Settings, running: RunningDevelopment | None) -> str:
    if "INTERLOCK_STORE" in os.environ:
        return settings.store_url()
    return running.store_url if running else ""


def _store(url: str) -> Iterator[Check]:
    """Looks only: it neither makes a store nor migrates one, which is for workers to do."""
    if not url:
        return
    from workers.resources.store.address import is_sqlite, read_url
    from workers.resources.store.database import Database
    from workers.resources.store.errors import StoreUnreachable, StoreUrlWrong
    from workers.resources.store.store import Store

    try:
        place = read_url(url)
        if is_sqlite(place) and not Path(str(place.database)).exists():
            yield Check(name="store", ok=False, found=f"{place.database} does not exist; `interlock worker` makes it")
            return
        store = Store(Database(place))
        try:
            yield Check(name="store", ok=True, found=store.check())
            yield from asyncio.run(store_checks(store, settings_here(), datetime.now(UTC)))
        finally:
            store.close()
    except (StoreUrlWrong, StoreUnreachable) as problem:
        yield Check(name="store", ok=False, found=str(problem))


async def _temporal(address: str, namespace: str) -> AsyncIterator[Check]:
    """Each check needs the one before it."""
    try:
        target = find_server(address, namespace)
        server = Server(await connect(target))
        yield Check(name="temporal", ok=True, found=f"{target.address}, server {await _version(server)}")
    except (NotReachable, WrongInput) as failure:
        yield Check(name="temporal", ok=False, found=str(failure))
        return
    try:
        yield await _namespace(server)
        yield await _search_attributes(server)
        yield await _worker(server)
    except Exception as error:  # noqa: BLE001 - a check reports whatever stands in its way
        known: CommandFailed = explained(error)
        yield Check(name="temporal namespace", ok=False, found=str(known))


async def _version(server: Server) -> str:
    from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

    return (await server.client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version


async def _namespace(server: Server) -> Check:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    name = server.client.namespace
    await server.client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    return Check(name="namespace", ok=True, found=name)


async def _search_attributes(server: Server) -> Check:
    from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

    from workers.embedded.temporal_server import KEYWORD, SEARCH_ATTRIBUTES

    request = ListSearchAttributesRequest(namespace=server.client.namespace)
    known = (await server.client.operator_service.list_search_attributes(request)).custom_attributes
    missing = [name for name in SEARCH_ATTRIBUTES if known.get(name) != KEYWORD]
    if not missing:
        return Check(name="search attributes", ok=True, found=", ".join(SEARCH_ATTRIBUTES))
    make = " ".join(f"--name {name} --type Keyword" for name in missing)
    found = f"missing {', '.join(missing)}; temporal operator search-attribute create {make}"
    return Check(name="search attributes", ok=False, found=found)


async def _worker(server: Server) -> Check:
    polling = await server.workers(Work.ACTIVITIES)
    found = f"{len(polling)} on task queue {TASK_QUEUE!r}: {', '.join(polling)}" if polling else NO_WORKER
    return Check(name="worker", ok=bool(polling), found=found)
