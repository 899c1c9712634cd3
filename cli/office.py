"""Operators' commands find the store: by INTERLOCK_STORE, else that of the running `interlock dev`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.connection import find_development
from cli.exits import NotReachable
from workers.embedded import environment
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.office import Office

_SQLITE = "sqlite:///"


def settings_with_store() -> Settings:
    """As `settings_here`. Raises NotReachable as well, when no store is named and none is where the default says."""
    settings = settings_here()
    default = Settings.model_fields["store"].default
    if "INTERLOCK_STORE" in os.environ or settings.store != default or Path(default.removeprefix(_SQLITE)).exists():
        return settings
    raise NotReachable(
        "no store is named; set INTERLOCK_STORE (and INTERLOCK_DEPLOYMENT) as the workers have them, "
        "or start `interlock dev`"
    )


def settings_here() -> Settings:
    """The settings of the deployment that a command is for. Raises SettingsWrong."""
    if "INTERLOCK_STORE" in os.environ or "INTERLOCK_DEPLOYMENT" in os.environ:
        return Settings.read()
    try:
        running, _ = find_development(Path.cwd())
    except NotReachable:
        return Settings.read()
    return Settings.read().model_copy(
        update={
            "mode": running.mode,
            "deployment": running.deployment,
            "store": running.store_url,
            "store_password_file": None,
            "servers": running.servers_file,
            "notices": running.notices_file,
            "data": running.folder,
            "audit_key_file": environment.audit_key(running.folder),
            "audit_checkpoints": environment.audit_checkpoints(running.folder),
        }
    )


@asynccontextmanager
async def office_here() -> "AsyncIterator[Office]":
    """The opened store of this deployment. Raises CommandFailed."""
    from cli.failures import of_what_is_configured
    from workers.office import open_office

    try:
        async with open_office(settings_with_store()) as office:
            yield office
    except Exception as error:
        if (known := of_what_is_configured(error)) is not None:
            raise known from error
        raise
