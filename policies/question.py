"""What policy is asked about: one action, who asks for it, and everything that rules may know of it.

Nothing stands here that only the caller says, such as the step it is at: a rule could be talked round with it.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from contracts.model import Model
from contracts.tools import EffectClass, Purpose, Risk, Taint
from policies.schema import known_arguments, known_input


class PolicyQuestion(Model):
    """What policy is asked about: one action, who asks for it, and the verified evidence."""

    requester: str
    roles: tuple[str, ...] = ()
    """The requester's, by the roster in force."""
    on_behalf_of: tuple[str, ...] = ()
    """For whom a service asks, the nearest first."""
    automation: str
    inside: tuple[str, ...] = ()
    """Of a child run: the automations of the runs around it, the outermost first."""
    request: dict[str, JsonValue] = {}
    """The automation's input as it was registered with the start: what whoever asks has signed for."""
    server: str
    tool: str
    kind: str = "tool"
    purpose: Purpose
    effect_class: EffectClass
    risk: Risk = Risk.MEDIUM
    sends_out: bool = False
    """What the tool is given can reach somebody outside."""
    taint: tuple[Taint, ...] = ()
    """What this run has read so far."""
    totals: dict[str, int] = {}
    """What each running total comes to, this action included; one that does not apply to it is absent."""
    undoes_recorded_effect: bool = False
    """For a compensation: the ledger shows that this run has sent the effect that it takes back."""
    arguments: dict[str, JsonValue]
    input_schema: dict[str, JsonValue]
    approvals: dict[str, int] = {}
    """Role -> number of distinct people who verifiably approved exactly this action."""

    @property
    def action(self) -> str:
        """`server.tool`, as rules name it."""
        return f"{self.server}.{self.tool}"

    def context(self, approvals: Mapping[str, int], totals: Mapping[str, int]) -> dict[str, JsonValue]:
        """Cedar's context, in the shape that schema.action_schema declares."""
        return {
            "automation": self.automation,
            "purpose": self.purpose.value,
            "effect_class": self.effect_class.value,
            "risk": self.risk.value,
            "sends_out": self.sends_out,
            "undoes_recorded_effect": self.undoes_recorded_effect,
            "kind": self.kind,
            "request": known_input(self.request),
            "on_behalf_of": list(self.on_behalf_of),
            "inside": list(self.inside),
            "taint": {taint.value: taint in self.taint for taint in Taint},
            "approvals": dict(approvals),
            "totals": dict(totals),
            "arguments": known_arguments(self.input_schema, self.arguments),
        }
