"""Reading an order history page by page: one tool call per turn, an answer taken from one of the pages."""

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.scripts.finding import Done, call, calls_done, missing, offers, quoted, values

ORDER_HISTORY = "orders__order_history"
NUMBERS = ("number", "order_number", "order_id")


def read_pages(request: Request, customer_id: str, pages: range, wanted: int) -> Answer:
    done = [each for each in calls_done(request) if each.use.name == ORDER_HISTORY]
    if done and done[-1].refused:
        return Answer(f"I stopped at page {_page_asked(done[-1])}: {quoted(done[-1].text, 200)}")
    if len(done) < len(pages):
        return _read(request, customer_id, pages[len(done)], pages)
    for each in done:
        if _page_asked(each) == wanted:
            return Answer(f"I read {len(done)} pages. The number on page {wanted} is {_number_on(each, wanted)}.")
    raise missing(f"page {wanted} of the order history", f"the {len(done)} pages read")


def _read(request: Request, customer_id: str, page: int, pages: range) -> Answer:
    if not offers(request, ORDER_HISTORY):
        return Answer(f"I cannot read the order history: the tool {ORDER_HISTORY} is not offered to me.")
    return Answer(
        text=f"Reading page {page} of {pages[-1]}.",
        calls=(call(request, ORDER_HISTORY, customer_id=customer_id, page=page),),
    )


def _page_asked(done: Done) -> int:
    page = done.use.input.get("page")
    if not isinstance(page, int):
        raise missing("the argument 'page'", f"the earlier call {done.use.arguments!r}")
    return page


def _number_on(done: Done, wanted: int) -> str:
    if (shown := done.whole("page")) != wanted:
        raise missing(f"page {wanted}", f"the result of the call for it, which shows page {shown}")
    for name in NUMBERS:
        if found := values(done.text, name):
            return found[0]
    raise missing(f"one of the values {NUMBERS}", f"page {wanted}: {done.text[:120]!r}")
