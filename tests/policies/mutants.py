"""Shipped rules with one thing changed: a condition dropped or flipped, a number off by one, a quorum, a head."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cedarpy

from policies.engine import CedarRules
from policies.rules import Rule

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """All rules with one of them changed, or gone."""

    rule_id: str
    what: str
    text: str
    """The changed rule; empty when it is gone."""

    @property
    def name(self) -> str:
        """Rule and change."""
        return f"{self.rule_id}: {self.what}"

    def among(self, rules: tuple[Rule, ...]) -> CedarRules:
        """The rules with this one in place of its original."""
        texts = [self.text if rule.id == self.rule_id else rule.text for rule in rules]
        return CedarRules({"mutant.cedar": "\n".join(texts)})


def mutants(rules: tuple[Rule, ...]) -> Iterator[Mutant]:
    """Every mutant of every rule."""
    for rule in rules:
        yield Mutant(rule.id, "the rule is gone", "")
        for what, tree in _changes(rule.tree):
            yield Mutant(rule.id, what, _text(tree))


def _changes(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _heads(tree)
    yield from _annotations(tree)
    for number, clause in enumerate(tree["conditions"]):
        yield f"without its {clause['kind']} {number + 1}", _without(tree, number)
        swapped = {"when": "unless", "unless": "when"}[clause["kind"]]
        yield f"{clause['kind']} {number + 1} turned round", _with(tree, ("conditions", number, "kind"), swapped)
        for path, node in _expressions(clause["body"], ("conditions", number, "body")):
            yield from ((what, _with(tree, path, changed)) for what, changed in _nodes(node))


def _heads(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    other = {"permit": "forbid", "forbid": "permit"}[tree["effect"]]
    if not tree["annotations"].keys() & {"approve"}:  # people are asked by a forbid alone: that mutant is not even read
        yield f"it is a {other}", _with(tree, ("effect",), other)
    if tree["action"]["op"] != "All":
        yield "about every tool", _with(tree, ("action",), {"op": "All"})
        for path, name in _tools(tree["action"]):
            yield f"about another tool than {name}", _with(tree, (*path, "id"), "another.tool")


def _tools(head: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every tool that a head names, and where."""
    if head["op"] == "==":
        yield ("action", "entity"), head["entity"]["id"]
    for number, entity in enumerate(head.get("entities", [])):
        yield ("action", "entities", number), entity["id"]


def _annotations(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "quorum" not in tree["annotations"]:
        return
    quorum = int(tree["annotations"]["quorum"])
    for value in {quorum - 1, quorum + 1} - {0}:
        yield f"asks {value}", _with(tree, ("annotations", "quorum"), str(value))
    yield "asks another role", _with(tree, ("annotations", "approve"), "janitor")
    yield "asks for longer", _with(tree, ("annotations", "within"), "P9D")
    for name in tree["annotations"].keys() - {"id", "approve", "quorum", "within"}:
        changed = {key: value for key, value in tree["annotations"].items() if not key.startswith(name)}
        if ("hand_on" in changed) == ("hand_on_to" in changed):
            yield f"without @{name}", _with(tree, ("annotations",), changed)


def _expressions(node: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every expression within an expression."""
    if not isinstance(node, dict):
        return
    ((operator, inner),) = node.items()
    yield path, node
    for side in ("left", "right", "arg"):
        if operator not in (".", "has") and isinstance(inner, dict) and side in inner:
            yield from _expressions(inner[side], (*path, operator, side))


def _nodes(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What one expression can be changed into."""
    ((operator, inner),) = node.items()
    if operator in ("&&", "||"):
        yield f"only {_said(inner['right'])}", inner["right"]
        yield f"only {_said(inner['left'])}", inner["left"]
        yield f"{_said(node)} joined otherwise", {{"&&": "||", "||": "&&"}[operator]: inner}
    if operator in COMPARISONS:
        for other in COMPARISONS:
            if other != operator:
                yield f"{other} in {_said(node)}", {other: inner}
    if operator == "!":
        yield f"without ! in {_said(node)}", inner["arg"]
    if operator in (".", "has"):
        yield f"! before {_said(node)}", {"!": {"arg": node}}
    if operator == "Value" and isinstance(inner, int):
        yield f"{inner - 1} for {inner}", {"Value": inner - 1}
        yield f"{inner + 1} for {inner}", {"Value": inner + 1}
    if operator == "Value" and isinstance(inner, str):
        yield f"{inner}2 for {inner}", {"Value": f"{inner}2"}


def _said(node: Any) -> str:
    """An expression in one line."""
    match node:
        case {"Value": value}:
            return json.dumps(value)
        case {"Var": name}:
            return str(name)
        case {".": {"left": left, "attr": attr}}:
            return f"{_said(left)}.{attr}".removeprefix("context.")
        case {"has": {"left": left, "attr": attr}}:
            return f"{_said(left)} has {attr}"
        case {"!": {"arg": arg}}:
            return f"!({_said(arg)})"
        case _:
            ((operator, inner),) = node.items()
            return f"({_said(inner['left'])} {operator} {_said(inner['right'])})"


def _without(tree: dict[str, Any], number: int) -> dict[str, Any]:
    return tree | {"conditions": [each for index, each in enumerate(tree["conditions"]) if index != number]}


def _with(tree: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy in which another value stands at `path`."""
    changed = copy.deepcopy(tree)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def _text(tree: dict[str, Any]) -> str:
    document = {"templates": {}, "staticPolicies": {"policy0": tree}, "templateLinks": []}
    return str(cedarpy.policies_from_json_str(json.dumps(document)))
