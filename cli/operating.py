"""Where the commands about tools and servers find what is declared: in the environment, or beside `interlock dev`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cli.connection import find_development
from cli.exits import NotReachable, WrongInput
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.resources.servers_file import ServerDeclaration


def operators_settings() -> Settings:
    """From the environment; beside a running `interlock dev`, and with no other store named, from that of its worker.

    A servers file takes variables from there too, so this process gets them. Raises SettingsWrong, and WrongInput
    when another servers file is named, which would be looked at for nothing.
    """
    if "INTERLOCK_STORE" not in os.environ:
        try:
            running, _ = find_development(Path.cwd())
        except NotReachable:
            return Settings.read()
        from workers.embedded.another_worker import for_another_worker

        named = os.environ.get("INTERLOCK_SERVERS")
        if named and Path(named).absolute() != Path(running.servers_file).absolute():
            raise WrongInput(
                f"INTERLOCK_SERVERS names {named!r}, and the running `interlock dev` has "
                f"{str(running.servers_file)!r}; unset it, or name the store as well in INTERLOCK_STORE"
            )
        os.environ.update(for_another_worker(running, os.environ))
    return Settings.read()


def declared_servers(settings: Settings) -> "tuple[ServerDeclaration, ...]":
    """All servers of the servers file. Raises WrongInput."""
    from workers.resources.servers_file import ServersFileUnusable, load_servers

    if settings.servers is None:
        raise WrongInput("no servers file is named; set INTERLOCK_SERVERS, or call this beside `interlock dev`")
    try:
        return load_servers(settings.servers)
    except ServersFileUnusable as unusable:
        raise WrongInput(str(unusable)) from unusable


def store_exists(settings: Settings) -> bool:
    """Whether a worker has made the store: looking at tools makes none. Raises WrongInput."""
    from workers.resources.store.address import is_sqlite, read_url
    from workers.resources.store.errors import StoreUrlWrong

    try:
        place = read_url(settings.store_url())
    except StoreUrlWrong as wrong:
        raise WrongInput(f"INTERLOCK_STORE: {wrong}") from wrong
    return not is_sqlite(place) or Path(str(place.database)).exists()
