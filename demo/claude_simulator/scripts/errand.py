"""The errand's `thinking`: an honest little planner that knows two goals and says so about every other."""

import re

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request, Text
from demo.claude_simulator.scripts.finding import missing
from demo.claude_simulator.scripts.history_pages import read_pages
from demo.claude_simulator.scripts.open_orders import look_after_open_orders

_CUSTOMER = re.compile(r"\b(C-\d+)\b")
_OPEN_ORDERS = re.compile(r"\b(late|open|overdue)\b.*\borders?\b|\borders?\b.*\b(late|open|overdue)\b", re.I | re.S)
_PAGES = re.compile(r"\bpages (\d+) to (\d+)\b.*\border history\b.*\bnumber on page (\d+)\b", re.I | re.S)


def think(request: Request) -> Answer:
    goal = _goal(request)
    customer = _CUSTOMER.search(goal)
    if customer and (pages := _PAGES.search(goal)):
        first, last, wanted = (int(number) for number in pages.groups())
        return read_pages(request, customer[1], range(first, last + 1), wanted)
    if customer and _OPEN_ORDERS.search(goal):
        late_only = re.search(r"\b(late|overdue)\b", goal, re.IGNORECASE) is not None
        return look_after_open_orders(request, customer[1], late_only)
    return Answer(
        f"I do not know this goal: {goal!r}. I know how to look after the late or open orders of a customer "
        "(name the customer, such as C-7), and how to read pages of a customer's order history."
    )


def _goal(request: Request) -> str:
    """Everything behind `goal:` in the first words of the message that has it."""
    for message in request.messages:
        asked = message.blocks[0].text if message.blocks and isinstance(message.blocks[0], Text) else ""
        found = re.search(r"^goal:\s*(\S.*)", asked, re.MULTILINE | re.DOTALL)
        if found is not None and message.role == "user":
            return " ".join(found[1].split())
    raise missing("a line 'goal: ...' or lines behind 'goal:'", "the user messages")
