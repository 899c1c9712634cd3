"""Looking after a customer's open orders: read them, note them, write to the customer, report."""

from demo.claude_simulator.answers import Answer, Call
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.scripts.finding import Done, call, calls_done, last_done, offers, quoted, values

OPEN_ORDERS, FIND_CUSTOMER = "orders__open_orders_of_customer", "crm__find_customer"
ADD_NOTE, SEND_MAIL = "crm__add_note", "mail__send_mail"


def look_after_open_orders(request: Request, customer_id: str, late_only: bool) -> Answer:
    """Read, then act on what was read, then report; calls answered already are not made again."""
    done = calls_done(request)
    reads = [
        call(request, name, customer_id=customer_id)
        for name in (OPEN_ORDERS, FIND_CUSTOMER)
        if offers(request, name) and last_done(done, name) is None
    ]
    if reads:
        return Answer(
            text=f"I will look at the open orders of {customer_id} and at the customer's card.",
            thought="Both are reads and neither needs the other, so I ask for them side by side.",
            calls=tuple(reads),
        )
    actions = _actions(request, customer_id, late_only, done)
    if actions:
        return Answer(
            text="I will note this in the customer's file and write to the customer.",
            thought="The note and the mail say the same and do not depend on each other.",
            calls=actions,
        )
    return Answer(_report(request, customer_id, late_only, done))


def _actions(request: Request, customer_id: str, late_only: bool, done: list[Done]) -> tuple[Call, ...]:
    orders = _orders(done, late_only)
    if not orders:
        return ()
    summary = f"{_kind(late_only)} orders of {customer_id}: {', '.join(orders)}."
    actions = []
    if offers(request, ADD_NOTE) and last_done(done, ADD_NOTE) is None:
        actions.append(call(request, ADD_NOTE, customer_id=customer_id, text=summary))
    if (address := _address(done)) and offers(request, SEND_MAIL) and last_done(done, SEND_MAIL) is None:
        body = f"Dear customer,\n\nwe are looking after your orders. {summary}\n"
        actions.append(call(request, SEND_MAIL, to=address, subject=f"Your {_kind(late_only)} orders", body=body))
    return tuple(actions)


def _orders(done: list[Done], late_only: bool) -> list[str]:
    """Order numbers with their delay, from the orders' own result."""
    read = last_done(done, OPEN_ORDERS)
    if read is None or read.refused:
        return []
    if read.whole("count") == 0:
        return []
    read.value("order_id")  # a result that counts orders and shows none is a fault, not an empty list
    # Each order shows both values; a cut result may have lost the second of its last one.
    found = zip(values(read.text, "order_id"), values(read.text, "days_late"), strict=False)
    return [f"{order_id} ({days} days late)" for order_id, days in found if int(days) > 0 or not late_only]


def _address(done: list[Done]) -> str | None:
    for name, key in ((FIND_CUSTOMER, "email"), (OPEN_ORDERS, "customer_email")):
        read = last_done(done, name)
        if read is not None and not read.refused and (found := values(read.text, key)):
            return found[0]
    return None


def _kind(late_only: bool) -> str:
    return "late" if late_only else "open"


def _report(request: Request, customer_id: str, late_only: bool, done: list[Done]) -> str:
    orders = _orders(done, late_only)
    listed = ", ".join(orders) or "none that I could read"
    lines = [f"{_kind(late_only).capitalize()} orders of {customer_id}: {listed}."]
    if orders and _address(done) is None:
        lines.append("I found no mail address of the customer, so I wrote no mail.")
    lines += [_outcome(each) for each in done]
    lines += [
        f"Not offered to me: {name}."
        for name in (OPEN_ORDERS, FIND_CUSTOMER, ADD_NOTE, SEND_MAIL)
        if not offers(request, name) and last_done(done, name) is None
    ]
    return "\n".join(lines)


def _outcome(done: Done) -> str:
    return f"{'Refused' if done.refused else 'Done'}: {done.use.name}: {quoted(done.text, 160)}"
