"""The store as a worker holds it: one database, one attribute per port."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from activities.breakers import Breakers
from activities.budgets import Budgets
from activities.children import Children
from activities.conversations import Contents, Conversations
from activities.decided import Decided
from activities.erasing import Erasing
from activities.inbox import Inbox, Starts
from activities.ledger import Ledger
from activities.notices import Route
from activities.rates import Rates
from activities.taints import Taints
from activities.totals import Totals
from contracts.deployment import Mode
from workers.resources.store.address import read_url
from workers.resources.store.audit import SqlAudit
from workers.resources.store.breakers import SqlBreakers, SqlRates
from workers.resources.store.children import SqlChildren
from workers.resources.store.contents import SqlContents
from workers.resources.store.conversations import SqlConversations
from workers.resources.store.database import Database, reason_of
from workers.resources.store.decided import SqlDecided
from workers.resources.store.documents import Documents
from workers.resources.store.erasing import SqlErasing
from workers.resources.store.errors import StoreOfAnotherMode, StoreUnreachable
from workers.resources.store.freezes import SqlFreezes
from workers.resources.store.inbox import SqlInbox
from workers.resources.store.leases import SqlLeases
from workers.resources.store.ledger import SqlLedger
from workers.resources.store.meta import kept, standing
from workers.resources.store.migrate import bring_up_to_date, revision_of
from workers.resources.store.outbox import SqlOutbox
from workers.resources.store.spending import SqlBudgets
from workers.resources.store.starts import SqlStarts
from workers.resources.store.taints import SqlTaints
from workers.resources.store.totals import SqlTotals
from workers.resources.store.unsettled import SqlUnsettled

T = TypeVar("T")
_MODE = "mode"


class Store:
    """Everything DESIGN section 5 keeps outside of Temporal's history. `open` it, `close` it."""

    def __init__(self, database: Database, routes: Sequence[Route] = ()) -> None:
        self._database = database
        self.ledger: Ledger = SqlLedger(database)
        self.conversations: Conversations = SqlConversations(database)
        self.contents: Contents = SqlContents(database)
        self.inbox: Inbox = SqlInbox(database, routes)
        self.starts: Starts = SqlStarts(database)
        self.children: Children = SqlChildren(database)
        self.totals: Totals = SqlTotals(database)
        self.taints: Taints = SqlTaints(database)
        self.breakers: Breakers = SqlBreakers(database)
        self.rates: Rates = SqlRates(database)
        self.budgets: Budgets = SqlBudgets(database)
        self.documents = Documents(database)
        self.freezes = SqlFreezes(database, routes)
        self.decided: Decided = SqlDecided(database)
        self.audit = SqlAudit(database)
        self.outbox = SqlOutbox(database, routes)
        self.orphans = SqlUnsettled(database, routes)
        self.leases = SqlLeases(database)
        self.erasing: Erasing = SqlErasing(database)

    @classmethod
    def open(cls, url: str, routes: Sequence[Route] = ()) -> "Store":
        """Connect, migrate if needed; notices leave by `routes`. Blocks.

        Raises StoreUrlWrong, StoreUnreachable, StoreTooNew.
        """
        database = Database(read_url(url))
        try:
            bring_up_to_date(database)
        except DBAPIError as error:  # not a database, or this account may not create tables in it
            database.close()
            raise StoreUnreachable(database.place, reason_of(error)) from error
        except BaseException:
            database.close()
            raise
        return cls(database, routes)

    def keep_mode(self, mode: Mode) -> None:
        """A store is of one mode for life: that of its first worker. Blocks. Raises StoreOfAnotherMode."""
        self._database.write_now(lambda connection: kept(connection, _MODE, mode.value.encode()))
        self.check_mode(mode)

    def check_mode(self, mode: Mode) -> None:
        """Whether a command of this mode may work with this store. Blocks. Raises StoreOfAnotherMode."""
        found = self._database.read_now(lambda connection: standing(connection, _MODE))
        if found is not None and found != mode.value.encode():
            raise StoreOfAnotherMode(self._database.place, found.decode(), mode.value)

    def check(self) -> str:
        """One line for `interlock doctor`. Blocks. Raises StoreUnreachable."""
        return self._database.read_now(lambda connection: f"{self._database.place}, {_facts(connection)}")

    def at_one_moment(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, which only reads and sees the store at one moment. Blocks. Raises StoreUnreachable."""
        return self._database.read_at_once_now(work)

    def close(self) -> None:
        """Finish what was begun, then let go of the database."""
        self._database.close()


def _facts(connection: Connection) -> str:
    setting = "PRAGMA journal_mode" if connection.dialect.name == "sqlite" else "SHOW synchronous_commit"
    name = setting.split()[1]
    value = connection.execute(text(setting)).scalar_one()
    return f"schema revision {revision_of(connection)}, {name} {value}"
