"""What was asked of the simulator, for tests and people: never a credential, never content."""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from demo.claude_simulator.json_values import JsonObject

KEPT = 10_000


@dataclass(frozen=True)
class Entry:
    """`script` is the automation and state that answered; `fault` what was done to the answer on purpose."""

    request_id: str
    method: str
    path: str
    authorization: str
    script: str = ""
    turn: int = 0
    stream: bool = False
    model: str = ""
    status: int = 200
    stop_reason: str = ""
    fault: str = ""


def fingerprint(credential: str) -> str:
    return hashlib.sha256(credential.encode()).hexdigest()[:12] if credential else ""


@dataclass
class Journal:
    count: int = 0
    _kept: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, entry: Entry) -> None:
        self.count += 1
        self._kept.append(entry)

    def to_json(self) -> JsonObject:
        read: Callable[[Entry], JsonObject] = asdict
        return {"count": self.count, "requests": [read(entry) for entry in self._kept]}
