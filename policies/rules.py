"""The rules of Cedar files one by one: where each stands, what its annotations say, and what it names."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import cedarpy
from pydantic import JsonValue

from contracts.model import Model


class Problem(Model):
    """Something wrong with a rule, where it is, and the way out."""

    file: str
    line: int
    rule_id: str = ""
    sentence: str

    def __str__(self) -> str:
        return ": ".join([f"{self.file}:{self.line}", *([self.rule_id] if self.rule_id else []), self.sentence])


class Rule(Model):
    """One permit or forbid."""

    file: str
    line: int
    text: str
    effect: Literal["permit", "forbid"]
    annotations: dict[str, str]
    tree: dict[str, JsonValue]
    """The rule as Cedar's own JSON."""

    @property
    def id(self) -> str:
        """What its @id says; empty when it has none."""
        return self.annotations.get("id", "")

    def problem(self, sentence: str, naming: Iterable[str] = ()) -> Problem:
        """Something wrong with this rule, in the line that names one of `naming`, else where it begins."""
        lines = self.text.splitlines()
        named = (number for name in naming for number, line in enumerate(lines) if name and name in line)
        return Problem(file=self.file, line=self.line + next(named, 0), rule_id=self.id, sentence=sentence)

    def actions(self) -> tuple[str, ...]:
        """The tools that its head names; empty: all."""
        return tuple(uid["id"] for uid in _entities(self.tree["action"]) if uid["type"] == "Action")

    def roles(self) -> tuple[str, ...]:
        """The roles that its head or its conditions ask of the requester."""
        return tuple(dict.fromkeys(uid["id"] for uid in _entities(self.tree) if uid["type"] == "Role"))

    def attributes(self, record: str) -> tuple[str, ...]:
        """The NAMEs in `context.RECORD.NAME` and `context.RECORD has NAME`."""
        read = {".": {"left": {"Var": "context"}, "attr": record}}
        found = (
            inner["attr"]
            for node in nodes(self.tree)
            for operator, inner in node.items()
            if operator in (".", "has") and isinstance(inner, dict) and inner.get("left") == read
        )
        return tuple(dict.fromkeys(str(name) for name in found))

    def approvals_it_takes(self) -> set[tuple[str, int]]:
        """(role, n) for each `context.approvals.ROLE >= n` of its unless."""
        unless = [clause for clause in self.conditions() if clause["kind"] == "unless"]
        found = set()
        for comparison in (node[">="] for clause in unless for node in nodes(clause["body"]) if ">=" in node):
            assert isinstance(comparison, dict)
            match comparison:
                case {
                    "left": {".": {"left": {".": {"attr": "approvals"}}, "attr": str(role)}},
                    "right": {"Value": int(count)},
                }:
                    found.add((role, count))
        return found

    def conditions(self) -> list[dict[str, JsonValue]]:
        """Its `when` and `unless`, each as {"kind", "body"}."""
        clauses = self.tree["conditions"]
        assert isinstance(clauses, list)
        return [clause for clause in clauses if isinstance(clause, dict)]


def read_rules(files: Mapping[str, str]) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The rules of these files (name -> Cedar text) in order, and what could not be read."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for name in sorted(files):
        for line, text in split(files[name]):
            found = _rule(name, line, text)
            (rules if isinstance(found, Rule) else problems).append(found)  # type: ignore[arg-type]
    return tuple(rules), tuple(problems)


def split(text: str) -> Iterator[tuple[int, str]]:
    """Each rule with the number of the line on which it begins. Comments before and after it are left out."""
    begun, in_string, in_comment, line, position = -1, False, False, 1, 0
    begins = 1
    while position < len(text):
        letter = text[position]
        if in_comment:
            in_comment = letter != "\n"
        elif in_string:
            position += letter == "\\"
            in_string = letter != '"'
        elif text.startswith("//", position):
            in_comment = True
        elif not letter.isspace():
            in_string = letter == '"'
            if begun < 0:
                begun, begins = position, line
            if letter == ";":
                yield begins, text[begun : position + 1]
                begun = -1
        line += letter == "\n"
        position += 1
    if begun >= 0:
        yield begins, text[begun:]


def nodes(tree: JsonValue) -> Iterator[dict[str, JsonValue]]:
    """Every object in a tree, the outermost first."""
    if isinstance(tree, dict):
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(inner)


def _rule(file: str, line: int, text: str) -> Rule | Problem:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        sentence = f"{error}; correct the rule that begins here"
        return Problem(file=file, line=line, sentence=sentence)
    if len(parsed["staticPolicies"]) != 1:
        sentence = "a template decides nothing; name a principal and a resource, or leave them open"
        return Problem(file=file, line=line, sentence=sentence)
    (tree,) = parsed["staticPolicies"].values()
    annotations = {name: value or "" for name, value in tree.get("annotations", {}).items()}
    return Rule(file=file, line=line, text=text, effect=tree["effect"], annotations=annotations, tree=tree)


def _entities(tree: JsonValue) -> Iterator[dict[str, str]]:
    """Entity names wherever they stand: {"type", "id"}."""
    for node in nodes(tree):
        if node.keys() == {"type", "id"}:
            yield {name: str(value) for name, value in node.items()}
