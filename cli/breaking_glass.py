"""Take a role in an emergency: signed, short, for a reason, and recorded before it counts."""

import secrets
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from activities.telling import alarm_of
from cli.exits import Refused, WrongInput
from cli.keys import require_key
from cli.office import office_here
from cli.option_problems import option_problem
from cli.printing import tell
from contracts.authority import LONGEST_BREAK_GLASS, BreakGlass, DocumentKind
from contracts.roster import Person, Roster
from contracts.signing import SignedFor


async def break_glass(name: str, role: str, reason: str, lasts: timedelta) -> BreakGlass:
    """The grant, recorded. Raises Refused when this person may not, WrongInput when the grant has no form."""
    if lasts > LONGEST_BREAK_GLASS:
        hours = int(LONGEST_BREAK_GLASS.total_seconds()) // 3600
        raise WrongInput(f"--for is longer than {hours} hours; take the role anew when it has ended")
    now = datetime.now(UTC)
    async with office_here() as office:
        in_force = await office.documents.in_force(DocumentKind.ROSTER)
        roster = Roster.model_validate(in_force.content) if in_force else Roster()
        person = _entitled(roster, name, role, now)
        counting = {each.key_id for each in person.keys if not each.problem_at(now)}
        key = require_key(person.subject, office.deployment, counting, person.keys)
        try:
            unsigned = BreakGlass(
                deployment=office.deployment,
                subject=person.subject,
                role=role,
                reason=reason,
                key_id=key.key_id,
                nonce=secrets.token_urlsafe(24),
                issued_at=now,
                expires_at=now + lasts,
            )
        except ValidationError as error:
            raise option_problem(error, {"subject": "--as"}) from error
        grant = unsigned.model_copy(update={"signature": key.sign(SignedFor.BREAK_GLASS, unsigned)})
        # First the alarm: rather one too many than a role that was taken in silence.
        await office.outbox.put(alarm_of(grant, roster, now), now)
        await office.documents.grant(grant, now)
        if not office.tells_people:
            tell("nobody is told of this: no channel is declared; set INTERLOCK_NOTICES as the workers have it")
        return grant


def _entitled(roster: Roster, name: str, role: str, now: datetime) -> Person:
    person = roster.person(name)
    if person is None or person.service or role not in person.break_glass:
        listed = [each.subject for each in roster.people if role in each.break_glass]
        raise Refused(
            f"{name!r} may not take the role {role!r} in an emergency; the roster in force lists for it: "
            f"{', '.join(listed) or 'nobody'}"
        )
    if problem := person.problem_at(now):
        raise Refused(f"{problem}; ask somebody else who is listed for {role!r}")
    return person
