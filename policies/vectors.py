"""Vectors: questions to policy with the answers its owners expect, as a table that people can read."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from contracts.model import Model
from contracts.policy import Ruling, RulingEffect, people_demanded
from contracts.tools import EffectClass, Purpose, Risk, Taint
from policies.document import PolicyBroken
from policies.question import PolicyQuestion

VECTORS = "vectors.toml"


class ToolDescribed(Model):
    """A tool as the table describes it: what rules can see of it."""

    effect_class: EffectClass = EffectClass.OPAQUE
    risk: Risk = Risk.MEDIUM
    sends_out: bool = False
    arguments: dict[str, Literal["integer", "string", "boolean"]] = {}

    def input_schema(self) -> dict[str, JsonValue]:
        """Its JSON schema; every argument is required."""
        properties: dict[str, JsonValue] = {name: {"type": kind} for name, kind in self.arguments.items()}
        return {"type": "object", "properties": properties, "required": list(self.arguments)}


class Asked(Model):
    """The question of a vector; what is not said is as it usually is."""

    automation: str
    tool: str
    """`server.tool`."""
    request: dict[str, JsonValue] = {}
    """The input of the run: what was asked for."""
    requester: str = "rita"
    roles: tuple[str, ...] = ()
    purpose: Purpose = Purpose.FORWARD
    inside: tuple[str, ...] = ()
    """Of a child run: the automations around it, the outermost first."""
    undoes: bool = False
    taint: tuple[Taint, ...] = ()
    totals: dict[str, int] = {}
    arguments: dict[str, JsonValue] = {}
    approvals: dict[str, int] = {}

    def about(self, tool: ToolDescribed) -> PolicyQuestion:
        """The question in full. Arguments that nobody gave are empty, so that only what matters need be written."""
        server, _, name = self.tool.partition(".")
        empty: dict[str, JsonValue] = {"integer": 0, "string": "", "boolean": False}
        given = {argument: empty[kind] for argument, kind in tool.arguments.items()} | self.arguments
        return PolicyQuestion(
            requester=self.requester,
            roles=self.roles,
            automation=self.automation,
            inside=self.inside,
            request=self.request,
            server=server,
            tool=name,
            purpose=self.purpose,
            effect_class=tool.effect_class,
            risk=tool.risk,
            sends_out=tool.sends_out,
            taint=self.taint,
            totals=self.totals,
            undoes_recorded_effect=self.undoes,
            arguments=given,
            input_schema=tool.input_schema(),
            approvals=self.approvals,
        )


class Vector(Model):
    """One question and what should come out."""

    name: str
    about: str
    """The id of the rule that it shows at work."""
    shows: Literal["allow", "deny", "boundary"]
    ask: Asked
    expect: RulingEffect
    rules: tuple[str, ...] | None = None
    """The ids that decide it."""
    roles: dict[str, int] | None = None
    """Role -> how many of it must sign, by the strictest rule."""

    def misses(self, ruling: Ruling) -> str:
        """How a ruling differs from what is expected; empty when it does not."""
        if ruling.effect is not self.expect:
            return f"expected {self.expect.value}, came out as {ruling.effect.value}: {ruling.reason or 'permitted'}"
        if self.rules is not None and set(ruling.rule_ids) != set(self.rules):
            return f"expected by {_listed(self.rules)}, decided by {_listed(ruling.rule_ids)}"
        asked = people_demanded(ruling.obligations)
        if self.roles is not None and asked != self.roles:
            return f"expected to be signed by {_people(self.roles)}, asks {_people(asked)}"
        return ""


class VectorTable(Model):
    """A file of vectors, and the tools they are about."""

    tools: dict[str, ToolDescribed] = {}
    vectors: tuple[Vector, ...] = ()

    def question(self, vector: Vector) -> PolicyQuestion:
        """The question that a vector asks."""
        return vector.ask.about(self.tools.get(vector.ask.tool, ToolDescribed()))


def read_vectors(path: Path) -> VectorTable:
    """The table in a TOML file. Raises PolicyBroken."""
    try:
        table = VectorTable.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PolicyBroken(f"{path}: {place}: {first['msg']}, not {first['input']!r:.80}; correct it there") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyBroken(f"{path} cannot be read: {error}; name a TOML file of [[vectors]]") from error
    names = [vector.name for vector in table.vectors]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PolicyBroken(f"{path}: two vectors are called {twice[0]!r}; failures are told by name: rename one")
    return table


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no rule"


def _people(roles: dict[str, int]) -> str:
    return ", ".join(f"{count} as {role}" for role, count in roles.items()) or "nobody"
