"""What policy answers: a ruling, with the obligations people must fulfil."""

from datetime import timedelta
from enum import StrEnum

from contracts.model import Model


class RulingEffect(StrEnum):
    """What a ruling does with an action."""

    PERMIT = "permit"
    NEEDS_APPROVAL = "needs_approval"
    FORBID = "forbid"


class Obligation(Model):
    """People of one role who must approve before the action may happen."""

    role: str
    quorum: int = 1
    within: timedelta
    rule_id: str


class Ruling(Model):
    """Policy's answer about one action. Advice is never a ruling, and a ruling is never a decision."""

    effect: RulingEffect
    obligations: tuple[Obligation, ...] = ()
    rule_ids: tuple[str, ...] = ()
    policy_digest: str
    action_digest: str = ""
    reason: str = ""
    """One sentence for people."""
    allowing_rule: str = ""
    """Development mode only: the Cedar rule that would allow the action."""
