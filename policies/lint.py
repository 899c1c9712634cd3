"""What is wrong with rules before they are in force: each finding with its line and the way out."""

import re
from collections.abc import Callable, Iterator, Mapping

import cedarpy
from pydantic import JsonValue

from contracts.model import Model
from policies.annotations import obligation_of, problems_with, roles_asked
from policies.document import (
    CALENDARS,
    TOTALS,
    PolicyBroken,
    cedar_files,
    declared_calendars,
    declared_totals,
    undeclared,
)
from policies.rules import Problem, Rule, read_rules
from policies.schema import InputFields, input_fields, whole_schema


class Surroundings(Model):
    """What is known of the world that the rules are for."""

    tools: dict[str, dict[str, JsonValue]] = {}
    """`server.tool` -> input schema, of every tool somebody has described."""
    reads: frozenset[str] = frozenset()
    """Those of them that only read."""
    accepted: frozenset[str] | None = None
    """The tools that operators have pinned or declared; None: that could not be looked up."""
    held: frozenset[str] | None = None
    """The roles that somebody holds; None: no roster was given."""
    inputs: dict[str, dict[str, JsonValue]] = {}
    """Automation -> JSON schema of its input."""

    @property
    def fields(self) -> InputFields:
        """What rules can see of the inputs."""
        return input_fields(self.inputs.values())


def findings(files: Mapping[str, str], world: Surroundings) -> tuple[Problem, ...]:
    """Everything that is wrong, by file and line."""
    rules, unreadable = read_rules(cedar_files(files))
    totals, wrong_totals = _declared(TOTALS, declared_totals, files)
    calendars, wrong_calendars = _declared(CALENDARS, declared_calendars, files)
    found = [*unreadable, *problems_with(rules), *wrong_totals, *wrong_calendars]
    if totals is not None and calendars is not None:
        found += undeclared(rules, totals, calendars)
    named = {name for rule in rules for name in rule.attributes("totals")} | (totals or frozenset())
    schema = cedarpy.Schema.from_str(whole_schema(world.tools, roles_asked(rules), named, world.fields.types))
    checks: tuple[Callable[[Rule], Iterator[Problem]], ...] = (
        _takes_what_it_asks,
        lambda rule: _unconditional(rule, world),
        lambda rule: _unknown_tools(rule, world),
        lambda rule: _roles_nobody_holds(rule, world),
        lambda rule: _unknown_fields(rule, world),
        lambda rule: _invalid(rule, world, schema),
    )
    found += [problem for rule in rules for check in checks for problem in check(rule)]
    return tuple(sorted(found, key=lambda problem: (problem.file, problem.line)))


def not_checked(files: Mapping[str, str], world: Surroundings) -> Iterator[str]:
    """What could not be looked at, in sentences."""
    rules, _ = read_rules(cedar_files(files))
    if world.accepted is None:
        yield "not checked: whether the tools that rules name are pinned; no pins are in force here"
    if world.held is None:
        yield "not checked: whether somebody holds the roles that rules name; give --roster FILE"
    read = {name for rule in rules for name in rule.attributes("request")}
    if ambiguous := sorted(read & world.fields.ambiguous):
        fields = ", ".join(f"context.request.{name}" for name in ambiguous)
        sentence = f"not checked: what rules read of {fields}, which automations have with different types"
        yield f"{sentence}; name the field otherwise in one of them"
    undescribed = sorted({name for rule in rules for name in rule.actions()} - world.tools.keys())
    if undescribed:
        sentence = f"not checked: the rules about {', '.join(undescribed)}, whose arguments nobody describes"
        yield f"{sentence}; pin them, or describe them in vectors.toml"


def _declared(
    name: str, read: Callable[[Mapping[str, str]], frozenset[str]], files: Mapping[str, str]
) -> tuple[frozenset[str] | None, list[Problem]]:
    """The names in a file; None, and what is wrong with it, when it cannot be read."""
    try:
        return read(files), []
    except PolicyBroken as broken:
        line = re.search(r"line (\d+)", str(broken))
        sentence = str(broken).removeprefix(f"{name}: ")
        return None, [Problem(file=name, line=int(line[1]) if line else 1, sentence=sentence)]


def _takes_what_it_asks(rule: Rule) -> Iterator[Problem]:
    """The annotations and the unless say the same: otherwise people would sign in vain, or fewer than are asked."""
    try:
        asked = obligation_of(rule) if "approve" in rule.annotations else None
    except (KeyError, ValueError):  # told already
        return
    if asked is None or rule.approvals_it_takes() == {(asked.role, asked.quorum)}:
        return
    takes = (
        ", ".join(f"{count} of {role}" for role, count in sorted(rule.approvals_it_takes())) or "nothing of the kind"
    )
    yield rule.problem(
        f"it asks {asked.quorum} of {asked.role}, and its unless takes {takes}; "
        f"write unless {{ context.approvals has {asked.role} && context.approvals.{asked.role} >= {asked.quorum} }}",
        ["context.approvals", "unless"],
    )


def _unconditional(rule: Rule, world: Surroundings) -> Iterator[Problem]:
    conditions = [clause for clause in rule.conditions() if clause["body"] != {"Value": True}]
    named = rule.actions()
    if rule.effect == "permit" and not conditions and not (named and world.reads.issuperset(named)):
        yield rule.problem(
            "it permits without a condition what does more than read; say in which automation: "
            'when { context.automation == "..." }'
        )


def _unknown_tools(rule: Rule, world: Surroundings) -> Iterator[Problem]:
    for name in rule.actions() if world.accepted is not None else ():
        if name not in (world.accepted or ()):
            sentence = f"no pinned manifest and no servers file knows the tool {name!r}"
            yield rule.problem(f"{sentence}; correct its name, or accept it with `interlock tools pin`", [f'"{name}"'])


def _roles_nobody_holds(rule: Rule, world: Surroundings) -> Iterator[Problem]:
    annotated = (rule.annotations.get(name, "") for name in ("approve", "hand_on_to"))
    for role in dict.fromkeys(role for role in (*annotated, *rule.roles()) if role):
        if world.held is not None and role not in world.held:
            sentence = f"nobody in the roster holds the role {role!r}, so nobody could fulfil this rule"
            yield rule.problem(f"{sentence}; correct its name, or give it to somebody", [f'"{role}"'])


def _unknown_fields(rule: Rule, world: Surroundings) -> Iterator[Problem]:
    """`has` of a field that no input has is never true, so that a mistyped forbid would never apply."""
    known = world.fields
    for name in rule.attributes("request") if world.inputs else ():
        if name not in known.types and name not in known.ambiguous:
            sentence = f"no automation's input has a field {name!r} that rules can see"
            yield rule.problem(f"{sentence}; correct its name", [f"request.{name}", f"request has {name}", name])


def _invalid(rule: Rule, world: Surroundings, schema: cedarpy.Schema) -> Iterator[Problem]:
    """What Cedar says of a rule about tools that are described: unknown names, wrong types, unsafe reading."""
    if not world.tools or not world.tools.keys() >= set(rule.actions()):
        return
    errors = [_said(str(error.error)) for error in cedarpy.validate_policies(rule.text, schema).errors]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        named = [f"context.{name}" for name in re.findall(r"`([^`]+)`", errors[0])]
        yield rule.problem(
            f"{errors[0]}{more}; the gate would refuse what it concerns: correct the name or the type, "
            "and test what may be absent with `has` first",
            named,
        )


def _said(error: str) -> str:
    return re.sub(r"^for policy `[^`]*`, ", "", error)
