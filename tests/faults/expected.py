"""What each effect class promises."""

from activities.lost_answers import LOOKED_UP_SENDS
from contracts.tools import EffectClass

MAY_ESCALATE = frozenset({EffectClass.OPAQUE})
"""Classes in which a lost answer may need a person; each such escalation must be justified all the same."""
HITS_THAT_NEED_A_PERSON = {EffectClass.OPAQUE: 1, EffectClass.QUERYABLE: LOOKED_UP_SENDS}
"""Class -> how often a call must have been hit between its send and its record before a person may be asked."""
LOOKED_UP = frozenset({EffectClass.QUERYABLE})
"""Classes in which a lost answer is looked up: adopted when it happened, sent again when it did not."""

SETTLED_WITHIN_SECONDS = 10.0
"""A keyed or idempotent call that died with its worker is settled so soon after a worker is back."""
SETTLED_CLASSES = frozenset({EffectClass.KEYED, EffectClass.IDEMPOTENT})
