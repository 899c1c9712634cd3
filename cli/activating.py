"""Make a document active: validated, signed, proposed, and in force once enough people have signed it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from activities.activating import missing_signatures, problem_with_endorsement
from cli import exits
from cli.exits import Refused, WrongInput
from cli.keys import find_key, require_key, say_unsigned
from cli.office import office_here
from cli.printing import say, tell
from contracts.authority import (
    ACTIVATED_BY,
    LONGEST_REASON,
    ROSTER_ADMIN,
    Activation,
    DocumentKind,
    Endorsement,
    InForce,
    PinnedTool,
)
from contracts.canonical import canonical_json, digest
from contracts.deployment import Mode
from contracts.roster import Roster
from contracts.signing import SignedFor

if TYPE_CHECKING:
    from cli.keys import SigningKey
    from workers.office import Office

_AGAIN: Final = {
    DocumentKind.POLICY: "interlock policy activate",
    DocumentKind.ROSTER: "interlock approvers apply",
    DocumentKind.PINS: "interlock tools pin",
}
_THIS: Final = {
    DocumentKind.POLICY: "this policy",
    DocumentKind.ROSTER: "this roster",
    DocumentKind.PINS: "this set of pins",
}


async def activate_document(kind: DocumentKind, content: JsonValue, *, signer: str, reason: str) -> int:
    """Sign `content`, and put it in force when nobody's signature is missing; the exit code.

    Raises WrongInput when it is no such document, Refused when this person may not sign it or a rival was faster.
    """
    from workers.resources.store.documents import Overtaken

    if not reason.strip():
        raise WrongInput("--reason is empty; say why, everybody who signs it and every auditor reads it")
    if len(reason) > LONGEST_REASON:
        raise WrongInput(f"--reason has {len(reason)} characters and may have {LONGEST_REASON}; shorten it")
    check_content(kind, content)
    async with office_here() as office:
        try:
            return await _activate(office, kind, content, signer, reason)
        except Overtaken as error:
            standing = await office.documents.in_force(kind)
            if standing is None or not _is_this(standing, content):
                raise Refused(str(error)) from error
            return _say_it_stands(standing)  # somebody else has just put the very same in force


def check_content(kind: DocumentKind, content: JsonValue) -> None:
    """Raises WrongInput unless `content` can be read as a document of this kind."""
    try:
        match kind:
            case DocumentKind.ROSTER:
                Roster.model_validate(content)
            case DocumentKind.PINS:
                TypeAdapter(dict[str, PinnedTool]).validate_python(content)
            case DocumentKind.POLICY:
                from policies.engine import CedarRules

                CedarRules.from_document(content)
    except (ValidationError, ValueError) as error:
        words = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise WrongInput(f"{_THIS[kind]} cannot be used: {words}; nothing was proposed") from error


async def _activate(office: "Office", kind: DocumentKind, content: JsonValue, signer: str, reason: str) -> int:
    from workers.resources.store.documents import next_activation

    standing = await office.documents.in_force(kind)
    roster = await _judging_roster(office, kind, standing, content)
    if standing is not None and _is_this(standing, content) and _still_counts(office, standing, roster):
        return _say_it_stands(standing)
    if kind is DocumentKind.ROSTER and office.mode is Mode.PRODUCTION:
        _check_it_can_be_changed_again(Roster.model_validate(content))
    signer = roster.subject_of(signer)
    activation = next_activation(kind, office.deployment, standing, content, reason)
    key = _key_for(office, roster, signer)
    endorsement = _endorsed(office, activation, roster, signer, key)
    waiting = await office.documents.proposals(kind)
    if not any(each.activation.digest == activation.digest for each in waiting):
        _tell_rivals(waiting)
        await office.documents.propose(activation, content, None, datetime.now(UTC))
    proposal = await _proposal(office, activation)
    if proposal.activation != activation and endorsement is not None:
        # Whoever proposed it first gave the reason; that statement is the one to sign.
        tell(f"it was proposed before, because: {proposal.activation.reason}")
        endorsement = _endorsed(office, proposal.activation, roster, signer, key)
    if endorsement is not None:
        await office.documents.propose(proposal.activation, content, endorsement, datetime.now(UTC))
        proposal = await _proposal(office, activation)
    return await _in_force_if_signed(office, proposal, roster, signer)


async def _in_force_if_signed(office: "Office", proposal: InForce, roster: Roster, signer: str) -> int:
    activation, signed = proposal.activation, [each.signer for each in proposal.endorsements]
    now = datetime.now(UTC)
    role, missing = missing_signatures(activation, proposal.endorsements, roster, office.mode, now)
    if not missing:
        await office.documents.activate(activation, proposal.content, signer, now)
    say(f"{activation.kind.value} version {activation.version}: {'proposed' if missing else 'in force'}")
    say(f"digest: {activation.digest}")
    say(f"signed by: {', '.join(signed) or 'nobody (development mode)'}")
    if missing:
        people = [each.subject for each in roster.with_role(role, datetime.now(UTC)) if each.subject not in signed]
        say(f"missing: {missing} more of {role} ({', '.join(people) or 'nobody else holds this role'})")
        say(f"next: {_AGAIN[activation.kind]} --as {people[0] if people else 'NAME'} --reason WHY, on the same content")
    return exits.DONE


async def _judging_roster(office: "Office", kind: DocumentKind, standing: InForce | None, content: JsonValue) -> Roster:
    """Whose signatures count: the roster in force says; the first roster of a deployment says so itself."""
    if kind is DocumentKind.ROSTER:
        return Roster.model_validate(standing.content if standing else content)
    in_force = await office.documents.in_force(DocumentKind.ROSTER)
    if in_force is not None:
        return Roster.model_validate(in_force.content)
    if office.mode is Mode.DEVELOPMENT:
        return Roster()
    raise Refused(
        f"no roster is in force in deployment {office.deployment!r}, so nobody's signature counts; "
        "enrol people with `interlock approvers enrol`, then run `interlock approvers apply`"
    )


def _is_this(standing: InForce, content: JsonValue) -> bool:
    return standing.activation.digest == digest(canonical_json(content))


def _say_it_stands(standing: InForce) -> int:
    what = f"{standing.activation.kind.value} version {standing.activation.version}"
    say(f"{what} with exactly this content is in force since {standing.at:%Y-%m-%d}")
    return exits.DONE


def _still_counts(office: "Office", standing: InForce, roster: Roster) -> bool:
    """Not so outside development when it was never signed, or with a key that was revoked since: it is signed anew."""
    if office.mode is Mode.DEVELOPMENT or standing.activation.kind is DocumentKind.ROSTER:
        return True
    _, wanted = ACTIVATED_BY[standing.activation.kind]
    owners = [roster.owner_of_key(each.key_id) for each in standing.endorsements]
    return len(owners) >= wanted and not any(owner and owner[1].revoked_at for owner in owners)


def _check_it_can_be_changed_again(roster: Roster) -> None:
    now = datetime.now(UTC)
    _, wanted = ACTIVATED_BY[DocumentKind.ROSTER]
    able = [
        person.subject
        for person in roster.people
        if not person.service
        and any(held.role == ROSTER_ADMIN for held in roster.holdings(person.subject, now))
        and any(not key.problem_at(now) for key in person.keys)
    ]
    if len(able) < wanted:
        raise Refused(
            f"with this roster {len(able)} of the {wanted} needed people could sign the next one, so nobody could "
            "change it again; enrol somebody, or a further key of theirs, with "
            f"`interlock approvers enrol NAME --role {ROSTER_ADMIN}`"
        )


def _key_for(office: "Office", roster: Roster, signer: str) -> "SigningKey | None":
    person, now = roster.person(signer), datetime.now(UTC)
    counting = {key.key_id for key in person.keys if not key.problem_at(now)} if person else set()
    if office.mode is Mode.DEVELOPMENT:
        return find_key(signer, office.deployment, counting)
    if person is None:
        raise Refused(f"{signer!r} is nobody in the roster that judges this; say who you are with --as")
    return require_key(signer, office.deployment, counting, person.keys)


def _endorsed(
    office: "Office", activation: Activation, roster: Roster, signer: str, key: "SigningKey | None"
) -> Endorsement | None:
    """The signature, checked as the gate will check it; None in development when there is none that counts."""
    if key is None:
        say_unsigned(_THIS[activation.kind])
        return None
    unsigned = Endorsement(activation=activation, signer=signer, key_id=key.key_id, signed_at=datetime.now(UTC))
    endorsement = unsigned.model_copy(update={"signature": key.sign(SignedFor.ACTIVATION, unsigned)})
    problem = problem_with_endorsement(endorsement, activation, roster, datetime.now(UTC))
    if problem and office.mode is Mode.PRODUCTION:
        raise Refused(f"{signer!r} may not put {_THIS[activation.kind]} in force: {problem}")
    if problem:
        tell(f"development mode: it is not signed, since your signature would not count: {problem}")
        return None
    return endorsement


async def _proposal(office: "Office", activation: Activation) -> InForce:
    """The document as it is kept, proposed or in force by now. Raises Overtaken, and Refused for another statement."""
    from workers.resources.store.documents import Overtaken

    # In this order: what is no proposal any more has come into force.
    kept: list[InForce] = list(await office.documents.proposals(activation.kind))
    standing: InForce | None = await office.documents.in_force(activation.kind)
    candidates: list[InForce] = [*kept, *([standing] if standing else [])]
    for each in candidates:
        if (each.activation.digest, each.activation.version) != (activation.digest, activation.version):
            continue
        if each.activation.model_copy(update={"reason": activation.reason}) != activation:
            raise Refused(
                f"{_THIS[activation.kind]} was proposed for deployment {each.activation.deployment!r}, "
                f"and this is {activation.deployment!r}; correct INTERLOCK_DEPLOYMENT"
            )
        return each
    raise Overtaken(f"another {activation.kind.value} came into force meanwhile; look at it, and propose again")


def _tell_rivals(waiting: Sequence[InForce]) -> None:
    for each in waiting:
        signers = ", ".join(one.signer for one in each.endorsements) or "nobody"
        tell(
            f"another {each.activation.kind.value} is proposed as version {each.activation.version} "
            f"({each.activation.digest[:19]}, signed by {signers}, because: {each.activation.reason}); this is not it"
        )
