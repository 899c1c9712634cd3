"""The outside world of the command line's tests: every order has books of its own."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from activities.toolbox import OutcomeUnknown
from contracts.tools import EffectClass
from tests.doubles import RecordingToolbox, ScriptedClaude, says_no
from tests.workflows.refund_world import CLASSES, UNDOES, Books, advises
from workers.resources.store import Store

ADVISED_CENTS = 64_000
"""More than policy permits without an approver; `limit_cents` of a request makes it less."""


def claude() -> ScriptedClaude:
    """Advises the same for every order."""
    return ScriptedClaude([advises(ADVISED_CENTS)])


class BooksByOrder(defaultdict[str, Books]):
    """Every order has a customer of its own: what is credited to one counts for no other."""

    def __missing__(self, order: str) -> Books:
        self[order] = Books(customer_id=f"C-{order}")
        return self[order]


class Shop:
    """Tools over the books of many orders.

    Orders `NO-...` cannot be credited, `DOWN-...` cannot be read, and of `LOST-...` no answer comes to a mark.
    """

    store: Store
    """Of the worker that serves it."""

    def __init__(self) -> None:
        self.books = BooksByOrder()
        names = Books().toolbox().answers
        classes = {**CLASSES, "orders.mark_refunded": EffectClass.OPAQUE}
        self.toolbox = RecordingToolbox({name: self._by_order(name) for name in names}, classes=classes, undoes=UNDOES)

    def _by_order(self, name: str) -> Callable[[dict[str, Any]], JsonValue]:
        def answer(arguments: dict[str, Any]) -> Any:
            order = str(arguments.get("order_id", ""))
            if order.startswith("DOWN-"):
                raise RuntimeError("the orders server is being repaired")
            if order.startswith("NO-") and name == "payments.issue_credit":
                return says_no("the account is closed")(arguments)
            found = self.books[order].toolbox().answers[name]
            answered = found(arguments) if callable(found) else found
            if order.startswith("LOST-") and name == "orders.mark_refunded":
                raise OutcomeUnknown("the wire went silent")
            return answered

        return answer
