"""What an operations change is asked, reads and remembers, and the words made from it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from contracts.canonical import digest
from contracts.decisions import Decision, DisplayLine
from contracts.model import Model
from contracts.policy import Ruling
from contracts.runs import Case
from contracts.tools import Scalar, ToolCall
from workflows.operations_change.kinds import DELETION, DEPLOYMENT, ROTATION, Asked, Found, Kind
from workflows.operations_change.plan import Plan, PlannedStep, Wanted, problems

SHOWN_OF_DIGEST = 19
"""Characters, as the command line shows digests."""


class ChangeKind(StrEnum):
    """What is to be changed."""

    DEPLOYMENT = "deployment"
    CREDENTIAL_ROTATION = "credential_rotation"
    DATA_DELETION = "data_deletion"


KINDS = {
    ChangeKind.DEPLOYMENT: DEPLOYMENT,
    ChangeKind.CREDENTIAL_ROTATION: ROTATION,
    ChangeKind.DATA_DELETION: DELETION,
}


class OperationsChangeRequest(Model):
    """What somebody wants changed in production. The business case is the change, by its number in the register."""

    business_key: ClassVar[tuple[str, ...]] = ("change_id",)

    change_id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,39}$")
    kind: ChangeKind
    subject: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")
    """The service, the credential or the dataset."""
    version: str = Field(default="", pattern=r"^([0-9A-Za-z][0-9A-Za-z.+-]{0,39})?$", validate_default=True)
    """Of a deployment: what is to run."""
    reason: str = Field(min_length=1, max_length=300)
    cooling_off_hours: int = Field(default=72, ge=1, le=2160)
    """Of a deletion: for so long it can be stopped. Policy says how short that may be."""

    @field_validator("version")
    @classmethod
    def _is_of_a_deployment(cls, version: str, known: ValidationInfo) -> str:
        kind = known.data.get("kind")
        if kind is ChangeKind.DEPLOYMENT and not version:
            raise ValueError("a deployment needs one; name the version that is to run")
        if kind is not None and kind is not ChangeKind.DEPLOYMENT and version:
            raise ValueError(f"a {kind.value} has none; leave it out")
        return version


class OperationsChangeCase(Case):
    """A change's whole state."""

    request: OperationsChangeRequest
    found: dict[str, Scalar] = {}
    """What was read of the subject, as people are shown it; read again after every wait."""
    looks: int = 0
    """How often something was read; each time is a reading of its own."""
    turn: int = 0
    said: str = ""
    """What a person, a changed fact or a refused plan adds before Claude is asked again."""
    asked_again: str = ""
    plan: Plan | None = None
    opening: ToolCall | None = None
    """The call that opens the change in the register, with the whole plan: what two people sign."""
    ruling: Ruling | None = None
    evidence: tuple[Decision, ...] = ()
    """The approvals of the plan; every call that it lists rests on them."""
    last_look: tuple[Decision, ...] = ()
    """The approval of the purge, by whoever took the last look."""
    carried_out: int = 0
    """Steps that are done, and were checked."""
    stopped: bool = False
    """Somebody has stopped it while it cooled off."""

    @property
    def kind(self) -> Kind:
        """What this kind of change needs."""
        return KINDS[self.request.kind]

    @property
    def cools_off(self) -> bool:
        """Before its last step it waits, and is looked at once more."""
        return self.request.kind is ChangeKind.DATA_DELETION

    def asked(self, reference: str) -> Asked:
        """What was asked for, as the kind of change needs it."""
        wanted = self.request
        return Asked(wanted.subject, wanted.version, wanted.cooling_off_hours, reference)

    def obstacle(self, reference: str) -> str:
        """Why the change cannot be made at all; empty when it can."""
        if self.found["count"] != 1:
            return f"there is no {self.kind.noun} {self.request.subject!r}"
        why = self.kind.obstacle(self.asked(reference), self.found)
        return f"{self.request.subject}: {why}" if why else ""

    def wanted(self, reference: str) -> Sequence[Sequence[Wanted]]:
        """The steps that bring the change about."""
        return self.kind.wanted(self.asked(reference), self.found)

    def problem_with(self, plan: Plan, reference: str) -> str:
        """Why a plan is no plan for this change; empty when it is one."""
        return "; ".join(problems(plan, self.wanted(reference), self.found))[:1000]

    def changes_to(self, now: Found) -> str:
        """What is different now from what was read, fact by fact; empty when nothing is."""
        return differences(self.found, now)

    def kept_because(self, now: Found, reference: str) -> str:
        """Why the subject must not be deleted any more; empty when it may be."""
        return self.kind.keeps(self.asked(reference), self.found, now)

    def listed(self, step: PlannedStep, action_digest: str, reference: str) -> dict[str, JsonValue]:
        """A step as the register keeps it, people read it, and the gate compares it."""
        return {
            "tool": step.tool,
            "arguments": {**step.given, "reference": reference},
            "expected": step.expected,
            "check": dict(step.checked),
            "undo": step.undo,
            "action": action_digest,
        }

    def opening_arguments(self, steps: list[JsonValue], summary: str, reference: str) -> dict[str, JsonValue]:
        """What the change is opened with: the whole plan, and its digest."""
        wanted = self.request
        named: dict[str, JsonValue] = {
            "change_id": wanted.change_id,
            "kind": wanted.kind.value,
            "subject": wanted.subject,
        }
        return named | {"summary": summary, "plan_digest": digest(steps), "steps": steps, "reference": reference}

    # Words.

    @property
    def what(self) -> str:
        """`deployment of checkout-api 2.15.0`."""
        words = f"{self.request.kind.value.replace('_', ' ')} of {self.request.subject}"
        return f"{words} {self.request.version}".strip()

    @property
    def plan_digest(self) -> str:
        """Of the plan as it is signed; empty before there is one."""
        arguments = self.opening.arguments if self.opening is not None else None
        return str((arguments or {}).get("plan_digest", ""))

    @property
    def question(self) -> str:
        """What two people are asked."""
        return f"{self.request.change_id}: carry out plan {self.plan_digest[:SHOWN_OF_DIGEST]} ({self.what})?"

    def context(self) -> tuple[DisplayLine, ...]:
        """What people are shown beside the plan itself."""
        plan = self.plan
        again = (DisplayLine(label="asked again because", text=self.asked_again),) if self.asked_again else ()
        undos = ", ".join(dict.fromkeys(step.undo for step in plan.reversible)) if plan else ""
        last = f"{plan.steps[-1].tool}, the last step" if plan and plan.has_point_of_no_return else "nothing"
        return (
            *again,
            DisplayLine(label="asked for because", text=self.request.reason),
            DisplayLine(label="Claude's plan", text=plan.summary if plan else ""),
            DisplayLine(label="plan", text=self.plan_digest),
            *(DisplayLine(label=f"step {number}", text=line) for number, line in enumerate(self.steps_in_words(), 1)),
            DisplayLine(label="what was read", text=self.facts_in_words(self.found)),
            DisplayLine(label="cost of waiting", text="nothing has been changed yet"),
            DisplayLine(label="approving also permits", text=f"{undos}, should a step fail"),
            DisplayLine(label="cannot be taken back", text=last),
        )

    def why_stop(self, leads_to: str) -> tuple[DisplayLine, ...]:
        """What people are shown who may stop it while it cools off."""
        hours = self.request.cooling_off_hours
        return (
            DisplayLine(label="asked for because", text=self.request.reason),
            DisplayLine(label="plan", text=self.plan_digest),
            DisplayLine(label="what was read", text=self.facts_in_words(self.found)),
            DisplayLine(label="for so long", text=f"{hours} hours from when this was asked"),
            DisplayLine(label="if nobody stops it", text="somebody takes a last look before anything is deleted"),
            DisplayLine(label="option abandon", text=f"goes on in {leads_to}"),
        )

    @property
    def last_question(self) -> str:
        """What whoever takes the last look is asked."""
        return f"{self.request.change_id}: the last look. Delete {self.request.subject} for good?"

    def last_context(self, now: Found) -> tuple[DisplayLine, ...]:
        """What they are shown beside the purge itself."""
        used = f"yes, at {now['last_used_at']}" if now["last_used_at"] != self.found["last_used_at"] else "no"
        return (
            DisplayLine(label="plan", text=self.plan_digest),
            DisplayLine(label="used since it was approved", text=used),
            DisplayLine(label="different since", text=self.changes_to(now) or "nothing"),
            DisplayLine(label="as it is now", text=self.facts_in_words(now)),
            DisplayLine(label="cost of waiting", text="it stays marked, and can still be restored"),
            DisplayLine(label="cannot be taken back", text="what is purged is gone"),
        )

    def steps_in_words(self) -> list[str]:
        """One line for each step."""
        return [_in_words(step) for step in self.plan.steps] if self.plan else []

    def facts_in_words(self, facts: Found) -> str:
        """Everything that was read."""
        return "; ".join(f"{name} {value}" for name, value in facts.items())[:4000]


def differences(before: Found, now: Found) -> str:
    """What is different now, fact by fact."""
    names = dict.fromkeys((*before, *now))
    told = ((name, before.get(name), now.get(name)) for name in names)
    return "; ".join(f"{name}: {then} -> {since}" for name, then, since in told if then != since)


def _in_words(step: PlannedStep) -> str:
    given = ", ".join(f"{name} {value}" for name, value in step.given.items())
    checked = ", ".join(f"{name} is {value}" for name, value in step.checked.items())
    undo = f"undone by {step.undo}" if step.undo else "cannot be undone"
    return f"{step.tool} ({given}): {step.expected}; checked: {checked}; {undo}"[:4000]
