"""A sweeper for tests, and what it leaves in the store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from activities.authority import Authority
from activities.conversations import RunKey
from activities.orphans import Fate, Fates, Standing
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import parse_json
from policies.engine import CedarRules
from tests.authority import FixedAuthority
from tests.story import Story
from workers.resources.audit import rows
from workers.resources.audit.findings import Finding
from workers.resources.audit.told import Accounts, compared
from workers.resources.fates import TemporalFates
from workers.resources.store import Store
from workers.settings import Settings
from workers.sweeping import Bounds, Round, Sweeper

AT_ONCE = Bounds(pace=timedelta(0))


@dataclass
class SetClock:
    """The time is what a test says."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def now(self) -> datetime:
        """See activities.clock.Clock."""
        return self.at


@dataclass
class ToldFates:
    """Temporal, as a test has it: every run goes on unless something else is told of it."""

    fates: dict[RunKey, Fate | Exception] = field(default_factory=dict)
    begun: dict[str, datetime] = field(default_factory=dict)
    held: dict[RunKey, frozenset[str]] = field(default_factory=dict)
    asked: list[RunKey] = field(default_factory=list)
    """About whom Temporal was asked, in order."""

    async def fate(self, run: RunKey) -> Fate:
        """See Fates."""
        self.asked.append(run)
        told = self.fates.get(run, Fate(standing=Standing.RUNNING))
        if isinstance(told, Exception):
            raise told
        return told

    async def begun_since(self, since: datetime, limit: int) -> dict[str, datetime]:
        """See Fates."""
        return {name: at for name, at in self.begun.items() if at >= since}

    async def held_requests(self, run: RunKey) -> frozenset[str] | None:
        """See Fates."""
        return self.held.get(run)


def sweeper_of(
    store: Store, fates: Fates, at: datetime, authority: Authority | None = None, bounds: Bounds = AT_ONCE
) -> Sweeper:
    """A sweeper for which it is then."""
    known = authority or FixedAuthority(CedarRules.load(Settings().policy_folders()))
    return Sweeper(store, fates, known, SetClock(at), bounds)


def sweeper_for(story: Story, after: timedelta = timedelta(hours=1)) -> Sweeper:
    """On the story's server and store, so much later."""
    fates = TemporalFates(story.client, story.task_queue)
    return sweeper_of(story.store, fates, datetime.now(UTC) + after, story.authority)


async def swept(sweeper: Sweeper) -> Round:
    """One round, in which nothing may fail."""
    done = await sweeper.once()
    assert done is not None
    assert done.failed == 0
    return done


def told(store: Store, run: RunKey, *kinds: AuditKind) -> list[AuditRecord]:
    """What the audit chain says of a run, in order; of all kinds, or of these."""
    links = store.at_one_moment(lambda connection: list(rows.records_of_run(connection, **run.model_dump())))
    records = [AuditRecord.model_validate(parse_json(link.payload)) for link in links]
    return [record for record in records if not kinds or record.kind in kinds]


def disagreements(store: Store) -> list[Finding]:
    """Where what a sweeper changes in the store is not as the audit chain tells."""

    def work(connection: Connection) -> list[Finding]:
        accounts = Accounts()
        for link, _ in rows.links(connection):
            accounts.take(link, AuditRecord.model_validate(parse_json(link.payload)))
        return [
            *compared("request", accounts.requests, rows.requests(connection)),
            *compared("start", accounts.starts, rows.starts(connection)),
            *compared("reservation", accounts.reservations, rows.reservations(connection)),
            *compared("entry", accounts.ledger, rows.ledger(connection)),
        ]

    return store.at_one_moment(work)
