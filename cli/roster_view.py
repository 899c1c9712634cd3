"""The roster as it is shown: what is in force, who signed it, and what waits for signatures."""

from collections.abc import Iterator
from datetime import datetime

from cli.office import office_here
from cli.printing import local_time, say
from cli.roster_changes import changes
from contracts.authority import BreakGlass, DocumentKind, InForce
from contracts.model import Model
from contracts.roster import Person, PublicKey, Roster


class Proposal(Model):
    """A roster that waits for signatures."""

    version: int
    digest: str
    reason: str
    signed_by: tuple[str, ...]


class RosterView(Model):
    """What there is to show."""

    version: int = 0
    """0: the roster of a file, or none is in force."""
    digest: str = ""
    reason: str = ""
    signed_by: tuple[str, ...] = ()
    roster: Roster
    proposals: tuple[Proposal, ...] = ()
    grants: tuple[BreakGlass, ...] = ()
    """Roles taken in an emergency, whether they still count or not."""
    in_force: bool


async def read_view() -> RosterView:
    """The roster in force, from the store."""
    async with office_here() as office:
        standing = await office.documents.in_force(DocumentKind.ROSTER)
        waiting = await office.documents.proposals(DocumentKind.ROSTER)
        grants = await office.documents.grants()
    if standing is None:
        return RosterView(roster=Roster(), proposals=_proposals(waiting), grants=grants, in_force=False)
    return RosterView(
        version=standing.activation.version,
        digest=standing.activation.digest,
        reason=standing.activation.reason,
        signed_by=_signers(standing),
        roster=Roster.model_validate(standing.content),
        proposals=_proposals(waiting),
        grants=grants,
        in_force=True,
    )


def from_file(roster: Roster) -> RosterView:
    """The roster of a file."""
    return RosterView(roster=roster, in_force=False)


async def say_changes(wanted: Roster) -> None:
    """Print what `wanted` would change, for whoever is about to sign it."""
    standing = (await read_view()).roster
    for line in changes(standing, wanted):
        say(line)


def lines(view: RosterView, now: datetime) -> Iterator[str]:
    """One fact per line."""
    if view.in_force:
        signed = ", ".join(view.signed_by) or "nobody (development mode)"
        yield f"roster version {view.version} is in force, signed by {signed}"
        yield f"digest: {view.digest}"
    elif not view.roster.people:
        yield "no roster is in force"
    for person in view.roster.people:
        yield from _person_lines(person, now)
    for lent in view.roster.delegations:
        yield (
            f"delegation: {lent.delegator} lends {', '.join(lent.roles)} to {lent.delegate}, "
            f"from {local_time(lent.valid_from)} to {local_time(lent.valid_until)}, because: {lent.reason}"
        )
    for away in view.roster.absences:
        yield f"absent: {away.subject}, from {local_time(away.valid_from)} to {local_time(away.valid_until)}"
    for automation, owners in view.roster.owners.items():
        yield f"owners of {automation}: {', '.join(owners)}"
    for grant in view.grants:
        if grant.expires_at > now:
            until = local_time(grant.expires_at)
            yield f"BREAK GLASS: {grant.subject} holds {grant.role} until {until}: {grant.reason}"
    for proposal in view.proposals:
        signed = ", ".join(proposal.signed_by) or "nobody"
        yield f"proposed: version {proposal.version}, {proposal.digest}, because: {proposal.reason}; signed by {signed}"


def _person_lines(person: Person, now: datetime) -> Iterator[str]:
    name = f" ({person.name})" if person.name else ""
    roles = ", ".join(person.roles) or "no role"
    yield f"{person.subject}{name}: {'a service' if person.service else roles}"
    if person.mail:
        yield f"  mail: {person.mail}"
    if person.aliases:
        yield f"  asks also as: {', '.join(person.aliases)}"
    if person.valid_from or person.valid_until:
        since = f" from {local_time(person.valid_from)}" if person.valid_from else ""
        until = f" until {local_time(person.valid_until)}" if person.valid_until else ""
        yield f"  entitled{since}{until}"
    if person.break_glass:
        yield f"  in an emergency: {', '.join(person.break_glass)}"
    if problem := person.problem_at(now):
        yield f"  does not count: {problem}"
    for key in person.keys:
        yield f"  {_key_line(key, now)}"
    if not person.keys:
        yield "  no key: nothing they sign can count"


def _key_line(key: PublicKey, now: datetime) -> str:
    return key.problem_at(now) or f"key {key.key_id} counts until {local_time(key.valid_until)}"


def _proposals(waiting: tuple[InForce, ...]) -> tuple[Proposal, ...]:
    return tuple(
        Proposal(
            version=each.activation.version,
            digest=each.activation.digest,
            reason=each.activation.reason,
            signed_by=_signers(each),
        )
        for each in waiting
    )


def _signers(document: InForce) -> tuple[str, ...]:
    return tuple(each.signer for each in document.endorsements)
