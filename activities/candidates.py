"""Who may decide a request at one moment, by name: what the inbox filters by, and what people are shown."""

from dataclasses import dataclass
from datetime import datetime

from activities.entitlement import (
    NotEntitled,
    entitled,
    everybody_decides,
    holdings_of,
    roles_held,
    roles_taken,
    unable,
)
from activities.inbox import InboxEntry
from contracts.authority import BreakGlass
from contracts.decisions import Check
from contracts.deployment import Deployment
from contracts.model import Model, Moment
from contracts.roster import Holding, Roster
from contracts.runs import StartStatement


class Candidate(Model):
    """A person who may decide a request, and as what."""

    subject: str
    name: str = ""
    roles: tuple[str, ...] = ()
    """`finance_manager`, `finance_manager for bob`, `finance_manager in an emergency`."""
    absent_until: Moment | None = None
    """They are away: no decision of theirs counts until then."""


@dataclass(frozen=True)
class Circle:
    """Everybody who can decide anything, as the roster has it at `now`."""

    roster: Roster
    grants: tuple[BreakGlass, ...]
    deployment: Deployment
    now: datetime

    @classmethod
    def of(cls, roster: Roster, grants: tuple[BreakGlass, ...], deployment: Deployment, now: datetime) -> "Circle":
        """Grants made for another deployment are left out."""
        ours = tuple(grant for grant in grants if grant.deployment == deployment.id)
        return cls(roster, ours, deployment, now)

    @property
    def freely(self) -> bool:
        """Everybody may decide, except who asked."""
        return everybody_decides(self.deployment, self.roster)

    def barrier(self, entry: InboxEntry, start: StartStatement, subject: str) -> NotEntitled | None:
        """What keeps a person from deciding a request; None when they may."""
        return entitled(self.roster, entry, start, subject, self.now, self.freely, self.grants)

    def roles_of(self, subject: str) -> frozenset[str]:
        """Every role a person holds, their own or another's."""
        return frozenset(held.role for held in roles_held(self.roster, subject, self.now, self.grants))

    def asks_for(self, entry: InboxEntry, roles: frozenset[str]) -> bool:
        """Whether one of `roles` can decide a request, whoever asked for it; cheaper than `barrier`."""
        demanded = (roles_taken(entry, obligation, self.now) for obligation in entry.obligations)
        return self.freely or any(roles & taken for taken in demanded)

    def problem_of(self, subject: str) -> str:
        """Why a person may decide nothing at all at this moment; empty when they may decide something."""
        barrier = None if self.freely else unable(self.roster, subject, self.now)
        return barrier.sentence if barrier else ""

    def candidates(self, entry: InboxEntry, start: StartStatement) -> tuple[Candidate, ...]:
        """Who may decide a request, in the order of the roster; the absent are marked."""
        found: list[Candidate] = []
        for person in () if self.freely else self.roster.people:
            barrier = self.barrier(entry, start, person.subject)
            if barrier is not None and barrier.check is not Check.ABSENT:
                continue
            held = holdings_of(self.roster, entry, start, person.subject, self.now, self.grants)
            roles = tuple(dict.fromkeys(_told(holding) for _, holding in held))
            absence = self.roster.is_absent(person.subject, self.now)
            if roles:
                away = absence.valid_until if absence else None
                found.append(Candidate(subject=person.subject, name=person.name, roles=roles, absent_until=away))
        return tuple(found)

    def name_of(self, subject: str) -> str:
        """How a person is called; the subject where the roster knows no name."""
        person = self.roster.person(subject)
        return (person.name if person else "") or subject


def _told(holding: Holding) -> str:
    lent = f" for {holding.chain[-1]}" if holding.chain else ""
    return f"{holding.role}{lent}{' in an emergency' if holding.break_glass else ''}"
