"""The assembly: everything that is declared is served, and what was opened is closed."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client

from contracts.deployment import Mode
from contracts.wire import DATA_CONVERTER
from policies.engine import PolicyBroken
from workers.assembly import HEAVY, PASSED_THROUGH, activities_of, open_ports, open_store, sandbox
from workers.office import open_office
from workers.resources.store import StoreOfAnotherMode
from workers.settings import REPOSITORY, Settings
from workflows.catalog import Catalog


def _name_of(method: Any) -> str | None:
    definition = activity._Definition.from_callable(method)
    return definition.name if definition is not None else None


def declared() -> Iterator[str]:
    """The name of every activity that any module of activities/ declares."""
    for path in sorted((REPOSITORY / "activities").glob("*.py")):
        module = importlib.import_module(f"activities.{path.stem}")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__:
                names = (_name_of(method) for _, method in inspect.getmembers(found, inspect.isfunction))
                yield from (name for name in names if name)


@pytest.fixture
async def client() -> Client:
    """A client of a server that nobody talks to."""
    return await Client.connect("127.0.0.1:9", namespace="elsewhere", lazy=True, data_converter=DATA_CONVERTER)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A store of one's own, and no servers."""
    return Settings(mode=Mode.DEVELOPMENT, store=f"sqlite:///{tmp_path}/store.db", data=tmp_path, deployment="here")


@pytest.fixture(autouse=True)
def no_real_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here talks to anybody."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")


async def test_every_declared_activity_is_served_once(client: Client, settings: Settings) -> None:
    async with open_store(settings) as store, open_ports(settings, client, store) as ports:
        served = [_name_of(method) for method in activities_of(ports)]
    assert sorted(map(str, served)) == sorted(declared())


async def test_a_store_in_which_unsigned_things_counted_is_opened_by_no_worker_and_no_command_of_production(
    settings: Settings,
) -> None:
    async with open_store(settings):
        pass
    production = settings.model_copy(update={"mode": Mode.PRODUCTION})

    for opened in (open_store(production), open_office(production)):
        with pytest.raises(StoreOfAnotherMode, match="of a development deployment and cannot be one of production"):
            async with opened:
                pass


async def test_ports_are_bound_as_the_settings_say(client: Client, settings: Settings) -> None:
    async with open_store(settings) as store, open_ports(settings, client, store) as ports:
        assert (ports.deployment.id, ports.deployment.namespace, ports.deployment.mode) == (
            "here",
            "elsewhere",
            Mode.DEVELOPMENT,
        )
        assert ports.toolbox.servers() == ()
        assert ports.default_model == settings.model
        address = await ports.contents.put(b"kept")
    async with open_store(settings) as store, open_ports(settings, client, store) as ports:
        assert await ports.contents.get(address) == b"kept"


async def test_rules_that_are_broken_stop_a_worker_before_it_begins(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text("permit(principal, action, resource);")
    broken = settings.model_copy(update={"automations": tmp_path})
    with pytest.raises(PolicyBroken, match=r"own\.cedar:1: a rule has no @id"):
        async with open_store(broken) as store, open_ports(broken, client, store):
            pytest.fail("it began")
    async with open_store(settings) as store, open_ports(settings, client, store):
        pass  # what had been opened before was let go


def test_only_what_is_pure_or_heavy_passes_the_sandbox_and_never_an_automation() -> None:
    catalog = Catalog.load()
    passed = sandbox(catalog).restrictions.passthrough_modules
    assert {*PASSED_THROUGH, *HEAVY} <= set(passed)
    for entry in catalog.entries():
        assert entry.module not in passed
    assert "workflows" not in passed
