"""May a document be in force? Who must have signed it, under which roster: one answer for commands and gate."""

from collections.abc import Iterable

from contracts.authority import ACTIVATED_BY, Activation, Endorsement
from contracts.deployment import Mode
from contracts.model import Moment
from contracts.roster import Roster


def missing_signatures(
    activation: Activation, endorsements: Iterable[Endorsement], roster: Roster, mode: Mode, at: Moment
) -> tuple[str, int]:
    """The role whose holders must still sign, and how many more of them; 0 when the document may be in force.

    `roster` is the one in force before; for the first roster of a deployment it is that roster itself. `at` is when
    the document is put in force: whoever has signed must be entitled then, too, so that nobody can date back.
    """
    role, wanted = ACTIVATED_BY[activation.kind]
    if mode is Mode.DEVELOPMENT:
        return role, 0
    people = {each.signer for each in endorsements if not problem_with_endorsement(each, activation, roster, at)}
    return role, max(0, wanted - len(people))


def problem_with_endorsement(endorsement: Endorsement, activation: Activation, roster: Roster, at: Moment) -> str:
    """Why a signature under an activation does not count; empty when it does."""
    role, _ = ACTIVATED_BY[activation.kind]
    if endorsement.activation != activation:
        return "it is a signature under another document"
    found = roster.owner_of_key(endorsement.key_id)
    if found is None:
        return f"key {endorsement.key_id!r} is nobody's in the roster"
    person, key = found
    if person.subject != endorsement.signer or person.service:
        return f"key {endorsement.key_id!r} is not {endorsement.signer!r}'s"
    for moment in (endorsement.signed_at, at):
        if problem := key.problem_at(moment) or person.problem_at(moment):
            return problem
        if all(held.role != role or held.break_glass for held in roster.holdings(person.subject, moment)):
            return f"{endorsement.signer!r} does not hold the role {role!r}"
    return "" if endorsement.is_genuine(key.public) else f"the signature of {endorsement.signer!r} is not genuine"
