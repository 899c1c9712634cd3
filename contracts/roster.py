"""Who is who: people and services with their public keys, roles, delegations and absences. One document, by digest."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Self

from pydantic import Field, field_validator, model_validator

from contracts.model import Model, Moment
from contracts.signing import key_id_of

SUBJECT = r"^[a-z0-9][a-z0-9._@+:/-]{0,119}$"
"""Lower-case ASCII: no two people can look alike."""
ROLE = r"^[a-z][a-z0-9_]{0,59}$"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
MAIL_ADDRESS = rf"^{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"
"""One mail address in ASCII, without quotes, comments or a name."""
LONGEST_CHAIN = 4


class PublicKey(Model):
    """The public half of a key, and when it counts."""

    key_id: str = Field(pattern=r"^k-[0-9a-f]{32}$")
    public: str = Field(min_length=43, max_length=43)
    """Ed25519, 32 bytes, base64url without padding."""
    valid_from: Moment
    valid_until: Moment
    revoked_at: Moment | None = None
    """From then on nothing signed with it counts, whenever it was signed."""

    @model_validator(mode="after")
    def _named_after_itself(self) -> Self:
        if key_id_of(self.public) != self.key_id:
            raise ValueError(
                f"key_id {self.key_id!r} is not the name of this public key; it is {key_id_of(self.public)!r}"
            )
        if self.valid_until <= self.valid_from:
            raise ValueError(f"key {self.key_id!r} would be over before it begins; correct valid_until")
        return self

    def problem_at(self, now: datetime) -> str:
        """Why the key does not count at `now`; empty when it does."""
        if self.revoked_at is not None:
            return f"key {self.key_id} was revoked at {self.revoked_at:%Y-%m-%d %H:%M:%S} UTC"
        if not self.valid_from <= now < self.valid_until:
            return f"key {self.key_id} counts from {self.valid_from:%Y-%m-%d} to {self.valid_until:%Y-%m-%d} only"
        return ""


class Person(Model):
    """A person, or a service that starts runs for others and never decides anything."""

    subject: str = Field(pattern=SUBJECT)
    name: str = Field(default="", max_length=200)
    aliases: tuple[str, ...] = ()
    """Other names under which the same person asks for runs."""
    mail: str = Field(default="", max_length=320)
    """Where notices go; empty: none are sent."""
    roles: tuple[str, ...] = ()
    break_glass: tuple[str, ...] = ()
    """Roles this person may take for a short while in an emergency."""
    keys: tuple[PublicKey, ...] = ()
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    service: bool = False

    @field_validator("name")
    @classmethod
    def _name_is_one_line(cls, name: str) -> str:
        return _on_one_line(name)

    @field_validator("aliases")
    @classmethod
    def _aliases_are_names(cls, aliases: tuple[str, ...]) -> tuple[str, ...]:
        for alias in aliases:
            if not _on_one_line(alias).strip():
                raise ValueError(f"{alias!r} is no name; leave it away")
        return aliases

    @field_validator("mail")
    @classmethod
    def _mail_is_one_address(cls, mail: str) -> str:
        if mail and not re.fullmatch(MAIL_ADDRESS, mail):
            raise ValueError(f"{mail!r:.80} is not one plain mail address; write it like dana@example.com")
        return mail

    @model_validator(mode="after")
    def _roles_have_names(self) -> Self:
        for role in (*self.roles, *self.break_glass):
            if not re.fullmatch(ROLE, role):
                raise ValueError(f"{role!r} is no name of a role; write it like finance_manager")
        return self

    def problem_at(self, now: datetime) -> str:
        """Why this person does not count at `now`; empty when they do."""
        if self.valid_from is not None and now < self.valid_from:
            return f"{self.subject!r} is entitled from {self.valid_from:%Y-%m-%d} on"
        if self.valid_until is not None and now >= self.valid_until:
            return f"{self.subject!r} was entitled until {self.valid_until:%Y-%m-%d}"
        return ""


class Delegation(Model):
    """A person lends roles to another for a while."""

    delegator: str
    delegate: str
    roles: tuple[str, ...] = Field(min_length=1)
    valid_from: Moment
    valid_until: Moment
    reason: str = Field(min_length=1, max_length=300)


class Absence(Model):
    """A person is away: told nothing, and no decision of theirs counts meanwhile."""

    subject: str
    valid_from: Moment
    valid_until: Moment


class Holding(Model):
    """One way in which a person holds a role."""

    role: str
    chain: tuple[str, ...] = ()
    """By delegation: who lent it, the nearest first. Empty: the role is the person's own."""
    break_glass: bool = False


class Roster(Model):
    """Everybody who may ask, decide or operate. Empty in development until somebody is enrolled."""

    v: int = 1
    people: tuple[Person, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    absences: tuple[Absence, ...] = ()
    owners: dict[str, tuple[str, ...]] = {}
    """Automation -> the people who own it; they do not approve what it does."""
    decisions_per_hour: int = Field(default=20, ge=1, le=1000)
    """More decisions of one person within an hour are not taken: somebody else must look."""

    @model_validator(mode="after")
    def _everybody_once(self) -> Self:
        names = [canonical_name(name) for person in self.people for name in {person.subject, *person.aliases}]
        keys = [key.public for person in self.people for key in person.keys]
        for what, values in (("name", names), ("key", keys)):
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"the {what} {twice[0]!r} belongs to two people; a quorum counts people")
        known = {person.subject for person in self.people}
        for mentioned in self._mentioned():
            if mentioned not in known:
                raise ValueError(f"{mentioned!r} is mentioned but is nobody of this roster; enrol them first")
        return self

    def _mentioned(self) -> Iterator[str]:
        for delegation in self.delegations:
            yield from (delegation.delegator, delegation.delegate)
        yield from (absence.subject for absence in self.absences)
        yield from (owner for owners in self.owners.values() for owner in owners)

    def person(self, name: str) -> Person | None:
        """The person of this name, or of this alias."""
        wanted = canonical_name(name)
        for person in self.people:
            if wanted in map(canonical_name, (person.subject, *person.aliases)):
                return person
        return None

    def subject_of(self, name: str) -> str:
        """One name for one person, whatever they call themselves; strangers keep theirs in canonical form."""
        person = self.person(name)
        return person.subject if person else canonical_name(name)

    def owner_of_key(self, key_id: str) -> tuple[Person, PublicKey] | None:
        """Whose key this is."""
        for person in self.people:
            for key in person.keys:
                if key.key_id == key_id:
                    return person, key
        return None

    def is_absent(self, subject: str, now: datetime) -> Absence | None:
        """The absence of a person at `now`."""
        for absence in self.absences:
            if absence.subject == subject and absence.valid_from <= now < absence.valid_until:
                return absence
        return None

    def holdings(self, subject: str, now: datetime) -> tuple[Holding, ...]:
        """Every way in which a person holds a role at `now`, own roles first."""
        return tuple(self._holdings(subject, now, ()))

    def _holdings(self, subject: str, now: datetime, path: tuple[str, ...]) -> Iterator[Holding]:
        person = next((each for each in self.people if each.subject == subject), None)
        if person is None or person.problem_at(now):
            return
        yield from (Holding(role=role) for role in person.roles)
        if len(path) >= LONGEST_CHAIN:
            return
        for lent in self.delegations:
            counts = lent.delegate == subject and lent.valid_from <= now < lent.valid_until
            if not counts or lent.delegator in (subject, *path):
                continue
            for held in self._holdings(lent.delegator, now, (*path, subject)):
                if held.role in lent.roles:
                    yield Holding(role=held.role, chain=(lent.delegator, *held.chain))

    def roles_of(self, name: str, now: datetime) -> tuple[str, ...]:
        """The roles of a requester at `now`."""
        person = self.person(name)
        held = self.holdings(person.subject, now) if person else ()
        return tuple(dict.fromkeys(holding.role for holding in held))

    def with_role(self, role: str, now: datetime) -> tuple[Person, ...]:
        """The people who hold `role` at `now` and are not away; in the order of the roster."""
        return tuple(
            person
            for person in self.people
            if not person.service
            and not self.is_absent(person.subject, now)
            and any(held.role == role for held in self.holdings(person.subject, now))
        )


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r:.80} does not show on one line; leave out line breaks and unseen characters")
    return text


def canonical_name(name: str) -> str:
    """A name as it is compared: without case, compatibility forms and surrounding space."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
