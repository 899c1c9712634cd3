"""How much time is left: rounds that only make the numbers steadier are left out when there is none."""

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Runs since it was made."""

    minutes: float
    began: float = field(default_factory=time.monotonic)

    @property
    def spent_seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    def allows(self, seconds: float, keeping_minutes: float = 0) -> bool:
        """Whether something that takes so long may be begun, when some minutes must be left at the end."""
        return self.spent_seconds + seconds <= (self.minutes - keeping_minutes) * 60
