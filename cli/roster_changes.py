"""What a new roster would change, in lines that the people who sign it can check."""

from collections.abc import Iterator, Mapping

from contracts.model import Model
from contracts.roster import Person, Roster


def changes(before: Roster, after: Roster) -> Iterator[str]:
    """One line for each difference."""
    old, new = ({person.subject: person for person in roster.people} for roster in (before, after))
    for subject in sorted(old.keys() | new.keys()):
        yield from _person_changes(subject, old.get(subject), new.get(subject))
    yield from _differences("delegation", _named(before.delegations), _named(after.delegations))
    yield from _differences("absence", _named(before.absences), _named(after.absences))
    yield from _differences(
        "owners",
        {f"{automation}: {', '.join(owners)}": "" for automation, owners in before.owners.items()},
        {f"{automation}: {', '.join(owners)}": "" for automation, owners in after.owners.items()},
    )
    if before.decisions_per_hour != after.decisions_per_hour:
        yield f"~ decisions_per_hour: {before.decisions_per_hour} -> {after.decisions_per_hour}"


def _person_changes(subject: str, old: Person | None, new: Person | None) -> Iterator[str]:
    if new is None:
        yield f"- {subject} is taken out"
        return
    if old is None:
        yield f"+ {subject} ({new.name or 'no name'}){', a service' if new.service else ''}"
    before = old or Person(subject=subject)
    for field in ("roles", "break_glass", "aliases"):
        had, has = set(getattr(before, field)), set(getattr(new, field))
        what = field.replace("_", " ")
        yield from (f"+ {subject}: {what} {value}" for value in sorted(has - had))
        yield from (f"- {subject}: {what} {value}" for value in sorted(had - has))
    for field in ("name", "mail", "valid_from", "valid_until", "service"):
        if old is not None and getattr(old, field) != getattr(new, field):
            yield f"~ {subject}: {field} {getattr(old, field)!s:.80} -> {getattr(new, field)!s:.80}"
    yield from _key_changes(subject, before, new)


def _key_changes(subject: str, old: Person, new: Person) -> Iterator[str]:
    had = {key.key_id: key for key in old.keys}
    has = {key.key_id: key for key in new.keys}
    for key_id, key in has.items():
        if key_id not in had:
            revoked = ", revoked" if key.revoked_at else ""
            yield f"+ {subject}: key {key_id} until {key.valid_until:%Y-%m-%d}{revoked}"
            continue
        if key.revoked_at and not had[key_id].revoked_at:
            yield f"- {subject}: key {key_id} is revoked"
        elif had[key_id] != key:
            yield f"~ {subject}: key {key_id} counts from {key.valid_from:%Y-%m-%d} to {key.valid_until:%Y-%m-%d}" + (
                "" if key.revoked_at else ", and is not revoked"
            )
    yield from (f"- {subject}: key {key_id} is taken out" for key_id in had if key_id not in has)


def _differences(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    yield from (f"+ {what} {line}" for line in new if line not in old)
    yield from (f"- {what} {line}" for line in old if line not in new)


def _named(models: tuple[Model, ...]) -> dict[str, str]:
    """The parts by everything they say."""
    return {", ".join(f"{name} {value}" for name, value in each.model_dump(mode="json").items()): "" for each in models}
