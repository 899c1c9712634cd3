"""Reading an order history page by page: one tool call per turn, an answer taken from one of the pages."""

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.scripts.finding import (
    READ_RESULT,
    Done,
    call,
    calls_done,
    missing,
    offers,
    quoted,
    read_further,
    reference,
    values,
)

ORDER_HISTORY = "orders__order_history"
NUMBERS = ("number", "order_number", "order_id")


def read_pages(request: Request, customer_id: str, pages: range, wanted: int) -> Answer:
    done = [each for each in calls_done(request) if each.use.name == ORDER_HISTORY]
    if done and done[-1].refused:
        return Answer(f"I stopped at page {_page_asked(done[-1])}: {quoted(done[-1].text, 200)}")
    following = _page_asked(done[-1]) + 1 if done else pages[0]
    if following in pages:
        return _read(request, customer_id, following, pages)
    for each in done:
        if _page_asked(each) == wanted:
            return _tell(request, each, len(pages), wanted)
    raise missing(f"page {wanted} of the order history", f"the {len(done)} pages that the request still shows")


def _read(request: Request, customer_id: str, page: int, pages: range) -> Answer:
    if not offers(request, ORDER_HISTORY):
        return Answer(f"I cannot read the order history: the tool {ORDER_HISTORY} is not offered to me.")
    return Answer(
        text=f"Reading page {page} of {pages[-1]}.",
        calls=(call(request, ORDER_HISTORY, customer_id=customer_id, page=page),),
    )


def _tell(request: Request, done: Done, count: int, wanted: int) -> Answer:
    """From what is shown of the page, or from what was read further in it; else read further in it."""
    ref = reference(done)
    further = read_further(request, ref) if ref else []
    for each in (done, *further):
        if number := _number_on(each, wanted):
            return Answer(f"I read {count} pages. The number on page {wanted} is {number}.")
    if ref and not further and offers(request, READ_RESULT):
        look = call(request, READ_RESULT, ref=ref)
        return Answer(text=f"Page {wanted} is not shown whole; I look into it.", calls=(look,))
    last = further[-1] if further else done
    last.value("page")
    raise missing(f"one of the values {NUMBERS}", f"page {wanted}: {last.text[:120]!r}")


def _page_asked(done: Done) -> int:
    page = done.use.input.get("page")
    if not isinstance(page, int):
        raise missing("the argument 'page'", f"the earlier call {done.use.arguments!r}")
    return page


def _number_on(done: Done, wanted: int) -> str | None:
    """The first number that stands there, if all of it is about that page."""
    if not (shown := values(done.text, "page")):
        return None
    if shown[0] != str(wanted):
        raise missing(f"page {wanted}", f"the result of the call for it, which shows page {shown[0]}")
    found = (values(done.text, name) for name in NUMBERS)
    return next((numbers[0] for numbers in found if numbers), None)
