"""Who signs what operators alone may order: a holder of the role, with a key that counts; nobody in development."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from activities.thawing import may_stop
from cli.exits import Refused
from cli.keys import find_key, require_key, say_unsigned
from contracts.authority import OPERATOR, DocumentKind
from contracts.deployment import Mode
from contracts.roster import Roster
from contracts.signing import SignedFor

if TYPE_CHECKING:
    from cli.keys import SigningKey
    from workers.office import Office


@dataclass(frozen=True)
class Signatory:
    """Who orders something as an operator, and the key they sign with; None in development without one that counts."""

    subject: str
    key: "SigningKey | None"

    def sign(self, purpose: SignedFor, statement: BaseModel) -> str | None:
        """The signature under a statement."""
        return self.key.sign(purpose, statement) if self.key else None


async def signatory(office: "Office", name: str, now: datetime, what: str) -> tuple[Roster, Signatory]:
    """The roster in force, and who signs `what`. Raises Refused when this person may not, or cannot sign."""
    in_force = await office.documents.in_force(DocumentKind.ROSTER)
    roster = Roster.model_validate(in_force.content) if in_force else Roster()
    grants = tuple(each for each in await office.documents.grants() if each.deployment == office.deployment)
    subject = roster.subject_of(name)
    person, entitled = roster.person(subject), may_stop(roster, grants, subject, now)
    counting = {key.key_id for key in person.keys if not key.problem_at(now)} if person else set[str]()
    if office.mode is Mode.DEVELOPMENT:
        key = find_key(subject, office.deployment, counting) if entitled else None
        if key is None:
            say_unsigned(what)
        return roster, Signatory(subject, key)
    if person is None or not entitled or (problem := person.problem_at(now)):
        able = ", ".join(each.subject for each in roster.with_role(OPERATOR, now)) or "nobody"
        why = problem if person is not None and entitled else f"they do not hold the role {OPERATOR!r}"
        raise Refused(f"{name!r} may not sign {what}: {why}; say who you are with --as, or ask one who may: {able}")
    return roster, Signatory(subject, require_key(subject, office.deployment, counting, person.keys))
