"""Which script answers: chosen by the first line of the system prompt."""

import re
from collections.abc import Callable

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.scripts import errand, operations_change, refund

Script = Callable[[Request], Answer]

SCRIPTS: dict[str, Script] = {
    "refund/assessing": refund.assess,
    "errand/thinking": errand.think,
    "operations_change/planning": operations_change.plan,
}
_FIRST_LINE = re.compile(r"Automation: (\w+)\. State: (\w+)\.")


def find_script(system: str) -> tuple[str, Script]:
    """The name of a script and the script."""
    known = ", ".join(SCRIPTS)
    line = _FIRST_LINE.match(system)
    if line is None:
        raise ApiError(
            "The simulator plays by script, and found no line 'Automation: NAME. State: NAME.' "
            f"at the start of `system`; it has scripts for {known}"
        )
    name = f"{line[1]}/{line[2]}"
    if name not in SCRIPTS:
        raise ApiError(f"The simulator has no script for {name!r}; it has scripts for {known}")
    return name, SCRIPTS[name]
