"""What each effect class promises today. Once the gate looks orders up, QUERYABLE leaves `MAY_ESCALATE`."""

from contracts.tools import EffectClass

MAY_ESCALATE = frozenset({EffectClass.OPAQUE, EffectClass.QUERYABLE})
"""Classes in which a lost answer may need a person; each such escalation must be justified all the same."""

SETTLED_WITHIN_SECONDS = 10.0
"""A keyed or idempotent call that died with its worker is settled so soon after a worker is back."""
SETTLED_CLASSES = frozenset({EffectClass.KEYED, EffectClass.IDEMPOTENT})
