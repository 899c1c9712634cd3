"""Enrol a person: a key made on this machine, and its public half in the roster file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from cli.exits import Refused
from cli.keys import Keeping, check_subject, forget_key, kept_keys, make_key
from cli.office import settings_here
from cli.option_problems import option_problem
from cli.roster_file import RosterFile
from contracts.deployment import Mode
from contracts.model import Model
from contracts.roster import Person, PublicKey


class Enrolment(Model):
    """Whom to enrol, and how."""

    person: Person
    roster: Path
    keeping: Keeping = Keeping.FILE
    valid_for: timedelta
    passphrase: bool = True


class Enrolled(Model):
    """What was made."""

    key_id: str
    public: str
    valid_until: datetime
    kept_in: Path
    earlier: tuple[str, ...] = ()
    """Keys of the same person on this machine, which stay valid."""


def as_person(subject: str, **facts: object) -> Person:
    """A person with what is known of them. Raises WrongInput."""
    try:
        return Person.model_validate({"subject": check_subject(subject), **facts})
    except ValidationError as error:
        raise option_problem(error, {"aliases": "--alias"}) from error


def enrol(wanted: Enrolment) -> Enrolled:
    """Make the key and enter it. Raises WrongInput and Refused; then there is neither key nor entry."""
    settings = settings_here()
    if not wanted.passphrase and settings.mode is not Mode.DEVELOPMENT:
        raise Refused(
            f"deployment {settings.deployment!r} runs in production, where a key file has a passphrase; "
            "leave --no-passphrase away"
        )
    file = RosterFile.read(wanted.roster, new=True)
    subject, now = wanted.person.subject, datetime.now(UTC).replace(microsecond=0)
    until = now + wanted.valid_for
    earlier = tuple(key.key for _, key in kept_keys(subject))
    key, path = make_key(subject, settings.deployment, until, wanted.keeping, passphrase=wanted.passphrase)
    try:
        file.enter(wanted.person, PublicKey(key_id=key.key_id, public=key.public, valid_from=now, valid_until=until))
        file.save()
    except BaseException:
        forget_key(path)
        raise
    return Enrolled(key_id=key.key_id, public=key.public, valid_until=until, kept_in=path, earlier=earlier)
