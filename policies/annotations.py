"""What stands before a rule: its id, and what people must do. One wrong word and the rules cannot be used."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from pydantic import TypeAdapter

from contracts.policy import Obligation
from contracts.roster import ROLE
from policies.rules import Problem, Rule

DEMANDS = ("approve", "quorum", "within")
"""They stand together, on a forbid ... unless."""
TIMES = ("remind", "hand_on", "hand_on_to", "calendar")
"""They may stand beside the demands."""
ANNOTATIONS = frozenset({"id", *DEMANDS, *TIMES})
LONGEST_WAIT = timedelta(days=366)
_DURATION = TypeAdapter(timedelta)


def problems_with(rules: Iterable[Rule]) -> Iterator[Problem]:
    """Everything that keeps these rules from being used as they are annotated."""
    seen: dict[str, Rule] = {}
    for rule in rules:
        yield from (rule.problem(sentence, naming) for sentence, naming in _problems(rule))
        if rule.id and rule.id in seen:
            first = seen[rule.id]
            sentence = f"the rule id {rule.id!r} is used twice, first at {first.file}:{first.line}"
            yield rule.problem(f"{sentence}; give each rule its own @id")
        seen.setdefault(rule.id, rule)


def obligation_of(rule: Rule) -> Obligation:
    """What people must do for a rule that asks. Raises ValueError (of which pydantic's ValidationError is one)."""
    given = rule.annotations
    asked = Obligation(
        role=_role(given["approve"]),
        quorum=int(given["quorum"]),
        within=_duration(given["within"]),
        rule_id=rule.id,
        remind=_duration(given["remind"]) if "remind" in given else None,
        hand_on=_duration(given["hand_on"]) if "hand_on" in given else None,
        hand_on_to=_role(given["hand_on_to"]) if "hand_on_to" in given else "",
        calendar=given.get("calendar", ""),
    )
    if asked.quorum < 1:
        raise ValueError("nobody could fulfil it")
    return asked


def _problems(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Sentence, and what to look for to find its line."""
    given = rule.annotations
    if not rule.id:
        yield 'a rule has no @id; write @id("...") before every permit and forbid', ()
    if unknown := sorted(given.keys() - ANNOTATIONS):
        known = ", ".join(f"@{name}" for name in sorted(ANNOTATIONS))
        yield f"unknown annotation @{unknown[0]}; known: {known}", (f"@{unknown[0]}",)
    if not given.keys() & {*DEMANDS, *TIMES}:
        return
    if not given.keys() >= set(DEMANDS) or rule.effect != "forbid":
        yield "@approve, @quorum and @within stand together, on a forbid ... unless; nothing else asks people", ()
        return
    if ("hand_on" in given) != ("hand_on_to" in given):
        yield "@hand_on and @hand_on_to stand together: when it is handed on, and to which role", ("@hand_on",)
        return
    if "calendar" in given and not given["calendar"]:
        yield '@calendar names a calendar of calendars.toml, for example @calendar("office")', ("@calendar",)
    yield from _misfits(rule)


def _misfits(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    try:
        asked = obligation_of(rule)
    except ValueError:
        yield (
            "@approve (and @hand_on_to) is a role such as finance_manager, @quorum a number from 1, "
            "@within (and @remind, @hand_on) a duration such as PT24H",
            ("@approve",),
        )
        return
    if asked.within > LONGEST_WAIT:
        yield (
            f"@within is longer than {LONGEST_WAIT.days} days; nobody is asked so long: shorten it",
            ("@within",),
        )
    for name, after in (("remind", asked.remind), ("hand_on", asked.hand_on)):
        if after is not None and after >= asked.within:
            yield f"@{name} is not before @within is over; nobody would notice it: choose a shorter time", (f"@{name}",)
    if asked.hand_on_to == asked.role:
        yield "@hand_on_to names the role that was asked anyway; name the next one", ("@hand_on_to",)


def _role(name: str) -> str:
    if not re.fullmatch(ROLE, name):
        raise ValueError(f"{name!r} is no name of a role; write it like finance_manager")
    return name


def _duration(text: str) -> timedelta:
    duration = _DURATION.validate_python(text)
    if not text.startswith("P") or duration <= timedelta():
        raise ValueError(f"{text!r} is no duration; write for example PT24H")
    return duration


def roles_asked(rules: Iterable[Rule]) -> frozenset[str]:
    """The roles whose approvals some rule counts."""
    return frozenset(rule.annotations["approve"] for rule in rules if "approve" in rule.annotations)


def by_id(rules: Iterable[Rule]) -> Mapping[str, Rule]:
    """Rule id -> rule."""
    return {rule.id: rule for rule in rules}
