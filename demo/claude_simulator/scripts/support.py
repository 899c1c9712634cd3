"""The script of a support escalation: read the customer's file, the order and the rules, then say what to do."""

import json
import re
from dataclasses import dataclass

from demo.claude_simulator.answers import Answer, Call
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.json_values import Json, JsonObject
from demo.claude_simulator.scripts.complaints import read_claim
from demo.claude_simulator.scripts.finding import Done, call, calls_done, last_done, missing, quoted, user_text, values
from demo.claude_simulator.scripts.money import amounts_in, written

NOTES, COMPLAINTS = "crm__notes_of_customer", "crm__complaints_of_customer"
FIND_ORDER, READ_PAGE, SEARCH = "orders__find_order", "documentation__read_page", "documentation__search"
OF_PROMISES = "earlier-promises"
LONGEST_REASON, LONGEST_WORDS = 200, 200

_PROMISED = re.compile(r"\bpromis|\bassured\b|\bguaranteed\b", re.IGNORECASE)
_ONCE_MORE = re.compile(r"\bonce more\b|\breplace|\banother one\b|\bnew one\b|\bsend\b.*\bagain\b", re.IGNORECASE)
_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")


@dataclass(frozen=True)
class Promise:
    note_id: int | None
    words: str
    cents: int
    until: str | None

    def to_json(self) -> JsonObject:
        return {"note_id": self.note_id, "words": self.words, "cents": self.cents, "until": self.until}


@dataclass(frozen=True)
class Ticket:
    """What the product says of it."""

    customer_id: str
    order_id: str
    limit_cents: int
    today: str
    pages: tuple[str, ...]
    question: str


@dataclass(frozen=True)
class Found:
    """What was read."""

    notes: Done
    complaints: Done
    order: Done
    page_ids: tuple[str, ...]


def decide(request: Request) -> Answer:
    ticket = _ticket(request)
    done = calls_done(request)
    if calls := _still_to_read(request, ticket, done):
        return Answer(
            text=f"I will read the file of {ticket.customer_id}, order {ticket.order_id} and what may apply.",
            thought="Notes, complaints, the order and the rules do not depend on each other, so I read them together.",
            calls=calls,
        )
    return _answer(request, _advise(ticket, _found(done)))


def _ticket(request: Request) -> Ticket:
    text = user_text(request)

    def line(name: str) -> str:
        if (found := re.search(rf"^{name}:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)) is None:
            raise missing(f"a line '{name}: ...'", "the user messages")
        return found[1]

    if (asked := re.search(r"^question:\s*(\S.*)", text, re.MULTILINE | re.DOTALL)) is None:
        raise missing("lines behind 'question:'", "the user messages")
    if not (limit := line("limit_cents")).isdigit():
        raise missing("a whole number", f"the line 'limit_cents: {limit}'")
    pages = tuple(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", line("pages that may apply")))
    return Ticket(line("customer_id"), line("order_id"), int(limit), line("today"), pages, asked[1].split("\n<")[0])


def _still_to_read(request: Request, ticket: Ticket, done: list[Done]) -> tuple[Call, ...]:
    about: dict[str, dict[str, Json]] = {
        NOTES: {"customer_id": ticket.customer_id},
        COMPLAINTS: {"customer_id": ticket.customer_id},
        FIND_ORDER: {"order_id": ticket.order_id},
    }
    if not ticket.pages:
        about[SEARCH] = {"text": " ".join(ticket.question.split())[:300]}
    calls = [call(request, name, **named) for name, named in about.items() if last_done(done, name) is None]
    read = {each.use.input.get("page_id") for each in done if each.use.name == READ_PAGE}
    return (*calls, *(call(request, READ_PAGE, page_id=page) for page in ticket.pages if page not in read))


def _found(done: list[Done]) -> Found:
    def read(name: str) -> Done:
        each = last_done(done, name)
        if each is None or each.refused:
            raise missing(f"an answer of {name!r}", f"what came back: {quoted(each.text, 100) if each else 'nothing'}")
        return each

    pages = [each.value("page_id") for each in done if each.use.name == READ_PAGE and not each.refused]
    searched = last_done(done, SEARCH)
    pages += values(searched.text, "page_id") if searched is not None else []
    if not pages:
        raise missing("a page of the documentation", "what was read of it")
    return Found(read(NOTES), read(COMPLAINTS), read(FIND_ORDER), tuple(pages))


def _advise(ticket: Ticket, found: Found) -> JsonObject:
    promises = _promises_in_notes(ticket, found.notes)
    claimed = [] if promises else _promises_claimed(ticket)
    cents, sku, why = _wanted(ticket, found, promises)
    resolution = "replace" if sku else "credit" if cents else "explain"
    page = OF_PROMISES if promises and OF_PROMISES in found.page_ids else found.page_ids[0]
    beyond = cents > ticket.limit_cents
    return {
        "resolution": resolution,
        "cents": cents,
        "sku": sku,
        "page_id": page,
        "promises": [promise.to_json() for promise in (*promises, *claimed)],
        "escalate": bool(claimed) or beyond,
        "reason": _short(f"{why}; a promise is claimed that I find in no note" if claimed else why),
    }


def _promises_in_notes(ticket: Ticket, notes: Done) -> list[Promise]:
    """Sentences of colleagues that promise something about this order and have not lapsed."""
    promises = []
    for note in _objects(notes.text):
        text, note_id = note.get("text"), note.get("note_id")
        if not isinstance(text, str) or not isinstance(note_id, int) or ticket.order_id not in text:
            continue
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            until = (_DAY.findall(sentence) or [None])[-1]
            if _PROMISED.search(sentence) and (until is None or until >= ticket.today):
                promises.append(Promise(note_id, sentence[:LONGEST_WORDS], _first_amount(sentence), until))
    return promises


def _promises_claimed(ticket: Ticket) -> list[Promise]:
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(ticket.question.split()))
    said = [sentence[:LONGEST_WORDS] for sentence in sentences if _PROMISED.search(sentence)]
    return [Promise(None, sentence, _first_amount(sentence), None) for sentence in said[:1]]


def _wanted(ticket: Ticket, found: Found, promises: list[Promise]) -> tuple[int, str, str]:
    """Amount, item and reason: what was promised goes before what is complained of."""
    for promise in promises:
        said = f"note {promise.note_id} says {quoted(promise.words, 90)}"
        if promise.cents:
            return promise.cents, "", said
        if _ONCE_MORE.search(promise.words) and (item := _item_named(promise.words, found.order)):
            return *item, said
    for complaint in _objects(found.complaints.text):
        text = complaint.get("text")
        if complaint.get("order_id") != ticket.order_id or not isinstance(text, str):
            continue
        item = _item_named(ticket.question, found.order) or _item_named(text, found.order)
        if item and _ONCE_MORE.search(ticket.question):
            return *item, f"the complaint says {quoted(text, 90)}"
        claim = read_claim(text, found.order.text)
        return (found.order.whole("total_cents") if claim.cents is None else claim.cents), "", claim.basis
    total = written(found.order.whole("total_cents"), found.order.value("currency"))
    return 0, "", f"order {ticket.order_id} over {total} is {found.order.value('status')}, and nothing is owed for it"


def _item_named(words: str, order: Done) -> tuple[int, str] | None:
    """Price and number of the item of which most words are named."""
    said = set(re.findall(r"[a-z]{4,}", words.lower()))
    best: tuple[int, int, str] | None = None
    for item in _objects(order.text):
        name, sku, price = item.get("name"), item.get("sku"), item.get("unit_price_cents")
        if isinstance(name, str) and isinstance(sku, str) and isinstance(price, int):
            named = len(said & set(re.findall(r"[a-z]{4,}", name.lower())))
            if named and (best is None or named > best[0]):
                best = (named, price, sku)
    return best[1:] if best else None


def _objects(text: str) -> list[dict[str, Json]]:
    """Every innermost object that can be read whole, even when the text was cut."""
    found = []
    for part in re.findall(r"\{[^{}]*\}", text):
        try:
            value: Json = json.loads(part)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _first_amount(sentence: str) -> int:
    return (amounts_in(_DAY.sub("", sentence)) or [0])[0]


def _answer(request: Request, content: JsonObject) -> Answer:
    text = json.dumps(content, ensure_ascii=False)
    schema = request.answer_schema
    if schema is not None:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or set(content) != set(properties):
            raise missing(f"the properties {sorted(content)}", "output_config.format.schema")
    return Answer(text, thought=f"The facts are in: {content['reason']}")


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}..."
