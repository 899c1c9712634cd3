"""Which script answers: chosen by the first line of the system prompt."""

import re
from collections.abc import Callable

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.scripts import errand, operations_change, refund, support
from demo.claude_simulator.scripts.made_up import make_up

Script = Callable[[Request], Answer]

SCRIPTS: dict[str, Script] = {
    "refund/assessing": refund.assess,
    "errand/thinking": errand.think,
    "support_escalation/deciding": support.decide,
    "operations_change/planning": operations_change.plan,
}
_FIRST_LINE = re.compile(r"Automation: (\w+)\. State: (\w+)\.")


def find_script(system: str) -> tuple[str, Script]:
    """The name of a script and the script; where there is none, one that makes its answers up."""
    line = _FIRST_LINE.match(system)
    if line is None:
        raise ApiError(
            "The simulator plays by script, and found no line 'Automation: NAME. State: NAME.' "
            "at the start of `system`; by it a script is chosen"
        )
    name = f"{line[1]}/{line[2]}"
    return name, SCRIPTS.get(name, make_up)
