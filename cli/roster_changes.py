"""What a new roster would change, in lines that the people who sign it can check."""

from collections.abc import Collection, Iterator
from datetime import datetime

from contracts.model import Model, rfc3339
from contracts.roster import Person, PublicKey, Roster


def changes(before: Roster, after: Roster) -> Iterator[str]:
    """One line for each difference; a line as well when only the order is another, since that is signed too."""
    found = list(_changes(before, after))
    yield from found
    if not found and before != after:
        yield "~ only the order is another, or how often something stands there"


def _changes(before: Roster, after: Roster) -> Iterator[str]:
    old, new = ({person.subject: person for person in roster.people} for roster in (before, after))
    for subject in sorted(old.keys() | new.keys()):
        yield from _person_changes(subject, old.get(subject), new.get(subject))
    yield from _differences("delegation", _named(before.delegations), _named(after.delegations))
    yield from _differences("absence", _named(before.absences), _named(after.absences))
    yield from _differences("owners", _owners(before), _owners(after))
    for field in ("v", "decisions_per_hour"):
        if getattr(before, field) != getattr(after, field):
            yield f"~ {field}: {getattr(before, field)} -> {getattr(after, field)}"


def _person_changes(subject: str, old: Person | None, new: Person | None) -> Iterator[str]:
    if new is None:
        yield f"- {subject} is taken out"
        return
    if old is None:
        yield f"+ {subject}{', a service' if new.service else ''}"
    before = old or Person(subject=subject, service=new.service)
    for field in ("name", "mail", "valid_from", "valid_until", "service"):
        had, has = _shown(getattr(before, field)), _shown(getattr(new, field))
        if had != has:
            yield f"+ {subject}: {field} {has}" if old is None else f"~ {subject}: {field} {had} -> {has}"
    for field in ("roles", "break_glass", "aliases"):
        had_all, has_all = set(getattr(before, field)), set(getattr(new, field))
        what = field.replace("_", " ")
        yield from (f"+ {subject}: {what} {value}" for value in sorted(has_all - had_all))
        yield from (f"- {subject}: {what} {value}" for value in sorted(had_all - has_all))
    yield from _key_changes(subject, before, new)


def _shown(value: str | bool | datetime | None) -> str:
    """One value, whole: whoever signs must be able to tell it from every other."""
    match value:
        case datetime():
            return rfc3339(value)
        case bool():
            return "yes" if value else "no"
        case _:
            return repr(value) if value else "none"


def _key_changes(subject: str, old: Person, new: Person) -> Iterator[str]:
    had = {key.key_id: key for key in old.keys}
    has = {key.key_id: key for key in new.keys}
    for key_id, key in has.items():
        before = had.get(key_id)
        if before is None:
            yield f"+ {subject}: key {key_id} {_span(key)}"
        elif key.revoked_at and not before.revoked_at:
            yield f"- {subject}: key {key_id} is revoked: {_span(before)} -> {_span(key)}"
        elif key != before:
            yield f"~ {subject}: key {key_id} {_span(before)} -> {_span(key)}"
    yield from (f"- {subject}: key {key_id} is taken out" for key_id in had if key_id not in has)


def _span(key: PublicKey) -> str:
    """When a key counts, to the millisecond."""
    revoked = f", revoked at {rfc3339(key.revoked_at)}" if key.revoked_at else ""
    return f"from {rfc3339(key.valid_from)} until {rfc3339(key.valid_until)}{revoked}"


def _differences(what: str, old: Collection[str], new: Collection[str]) -> Iterator[str]:
    yield from (f"+ {what} {line}" for line in new if line not in old)
    yield from (f"- {what} {line}" for line in old if line not in new)


def _named(models: tuple[Model, ...]) -> list[str]:
    """The parts by everything they say."""
    return [", ".join(f"{name} {value}" for name, value in each.model_dump(mode="json").items()) for each in models]


def _owners(roster: Roster) -> list[str]:
    return [f"{automation}: {', '.join(owners)}" for automation, owners in roster.owners.items()]
