"""The store alone, opened for the commands of operators: what is in force, and the audit chain, without a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.audit import Audit
from activities.conversations import Contents
from contracts.deployment import Deployment, Mode
from workers.resources.authority import StoredAuthority
from workers.resources.freezes import StoredFreezes
from workers.resources.notifying.file import load_routes
from workers.resources.store import Store
from workers.resources.store.address import is_sqlite, read_url
from workers.resources.store.documents import Documents
from workers.resources.store.errors import StoreMissing
from workers.resources.store.outbox import SqlOutbox
from workers.settings import Settings


@dataclass(frozen=True)
class Office:
    """What an operator's command works with."""

    documents: Documents
    contents: Contents
    audit: Audit
    outbox: SqlOutbox
    freezes: StoredFreezes
    """What stands, in the eyes of the gate."""
    tells_people: bool
    """Whether any channel is declared by which notices leave."""
    deployment: str
    """The deployment's id."""
    mode: Mode
    store: Store
    """For what looks at many tables at one moment."""


def _refuse_to_make_one(settings: Settings) -> None:
    """A command that found a store of its own making would believe whatever is first put in force there."""
    place = read_url(settings.store_url())
    if is_sqlite(place) and not Path(str(place.database)).exists():
        raise StoreMissing(str(place.database))


@asynccontextmanager
async def open_office(settings: Settings) -> AsyncIterator[Office]:
    """The store, migrated if needed, and closed again.

    Raises StoreMissing, StoreUrlWrong, StoreUnreachable, StoreTooNew, StoreOfAnotherMode, NoticesFileUnusable.
    """
    routes = load_routes(settings.notices) if settings.notices is not None else ()
    _refuse_to_make_one(settings)
    store = await asyncio.to_thread(Store.open, settings.store_url(), routes)
    try:
        await asyncio.to_thread(store.check_mode, settings.mode)
        # No document names a namespace.
        deployment = Deployment(id=settings.deployment, namespace="", mode=settings.mode)
        authority = StoredAuthority(store.documents, store.contents, deployment, settings.roster_root)
        yield Office(
            documents=store.documents,
            contents=store.contents,
            audit=store.audit,
            outbox=store.outbox,
            freezes=StoredFreezes(store.freezes, authority, deployment),
            tells_people=bool(routes),
            deployment=settings.deployment,
            mode=settings.mode,
            store=store,
        )
    finally:
        await asyncio.to_thread(store.close)
