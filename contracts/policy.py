"""What policy answers: a ruling, with the obligations people must fulfil."""

from collections.abc import Iterable
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
    remind: timedelta | None = None
    """How long after asking people are reminded."""
    hand_on: timedelta | None = None
    """How long after asking the request is handed on to `hand_on_to` as well."""
    hand_on_to: str = ""
    """The next role: from then on its holders may decide in place of `role`."""
    calendar: str = ""
    """The named calendar whose working time counts; empty: wall time."""


def people_demanded(obligations: Iterable[Obligation]) -> dict[str, int]:
    """Role -> how many of it must approve; where several rules ask the same role, the strictest counts."""
    demanded: dict[str, int] = {}
    for one in obligations:
        demanded[one.role] = max(one.quorum, demanded.get(one.role, 0))
    return demanded


class Ruling(Model):
    """Policy's answer about one action. Advice is never a ruling, and a ruling is never a decision."""

    effect: RulingEffect
    obligations: tuple[Obligation, ...] = ()
    rule_ids: tuple[str, ...] = ()
    policy_digest: str
    action_digest: str = ""
    totals: dict[str, int] = {}
    """The running totals that the ruling saw, this action included."""
    reason: str = ""
    """One sentence for people."""
    allowing_rule: str = ""
    """Development mode only: the Cedar rule that would allow the action."""
