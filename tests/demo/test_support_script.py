"""The simulator's script for tickets: what it answers follows from the file, the order and the rules in the request."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest

from demo.mcp_servers.crm.complaints import COMPLAINTS
from demo.mcp_servers.crm.notes import NOTES
from tests.demo.test_claude_simulator import Conversation, Simulator, Wire, client_for, refund, running, text_of, tool
from workers.resources.claude_request import closed
from workflows.support_escalation import Proposal

pytestmark = pytest.mark.many

TOOLS = [
    tool("crm__notes_of_customer", "customer_id"),
    tool("crm__complaints_of_customer", "customer_id"),
    tool("orders__find_order", "order_id"),
    tool("documentation__search", "text"),
    tool("documentation__read_page", "page_id"),
]
POT = {"sku": "KIT-0120", "name": "Enamel teapot, blue", "quantity": 1, "unit_price_cents": 6200}
MIRROR = {"sku": "LIV-0760", "name": "Wall mirror, round", "quantity": 1, "unit_price_cents": 5500}
HOOKS = {"sku": "LIV-0764", "name": "Coat hooks, set of three", "quantity": 1, "unit_price_cents": 1200}
OF = {"A-26": ("C-13", [POT]), "A-28": ("C-14", [HOOKS, MIRROR]), "A-29": ("C-15", [POT])}


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with (
        running() as (_, address),
        client_for(address) as client,
        httpx2.AsyncClient(base_url=address) as own,
    ):
        yield Simulator(client, own)


def ticket(order_id: str, question: str, pages: str = "earlier-promises, damaged-goods", limit: str = "10000") -> Wire:
    """A first request about a ticket, as the product words it."""
    lines = (
        f"ticket: T-1\ncustomer_id: {OF[order_id][0]}\norder_id: {order_id}\nlimit_cents: {limit}\ntoday: 2026-12-01\n"
        f"pages that may apply: {pages}\nquestion:\n{question}"
    )
    return refund(
        system="Automation: support_escalation. State: deciding.\nAdvise.",
        messages=[{"role": "user", "content": lines}],
        tools=TOOLS,
        output_config={"format": {"type": "json_schema", "schema": closed(Proposal.model_json_schema())}},
    )


def results(order_id: str, until: str = "2026-12-22") -> dict[str, str]:
    """What the demo's servers answer about this order."""
    customer_id, items = OF[order_id]
    notes = [
        {"note_id": number, "text": note.text.format(until=until)}
        for number, note in enumerate(NOTES, start=1)
        if note.customer_id == customer_id
    ]
    said = [{"order_id": each.order_id, "text": each.text} for each in COMPLAINTS if each.customer_id == customer_id]
    order = {"order_id": order_id, "status": "delivered", "items": items, "total_cents": 9800, "currency": "EUR"}
    return {
        "crm__notes_of_customer": json.dumps({"customer_id": customer_id, "notes": notes}),
        "crm__complaints_of_customer": json.dumps({"customer_id": customer_id, "complaints": said}),
        "orders__find_order": json.dumps(order),
        "documentation__search": json.dumps({"pages": [{"page_id": "returns-30-days"}]}),
        "documentation__read_page": json.dumps({"page_id": "earlier-promises", "text": "It is kept in full."}),
    }


async def proposal(
    simulator: Simulator, order_id: str, question: str, until: str = "2026-12-22", noted: bool = True, **about: Any
) -> Proposal:
    answers = results(order_id, until) | ({} if noted else {"crm__notes_of_customer": '{"count": 0, "notes": []}'})
    conversation = Conversation(simulator.client, ticket(order_id, question, **about), answers)
    return Proposal.model_validate_json(text_of(await conversation.to_the_end()))


async def test_a_promise_in_a_note_is_quoted_word_for_word_and_kept(simulator: Simulator) -> None:
    found = await proposal(simulator, "A-26", "Where is my money?")
    (promise,) = found.promises
    assert (found.resolution, found.cents, found.page_id, found.escalate) == ("credit", 2000, "earlier-promises", False)
    assert (promise.note_id, promise.cents, str(promise.until)) == (2, 2000, "2026-12-22")
    assert promise.words in NOTES[1].text.format(until="2026-12-22")


async def test_a_promised_item_is_sent_once_more_at_its_own_price(simulator: Simulator) -> None:
    found = await proposal(simulator, "A-28", "When do I get the mirror?")
    assert (found.resolution, found.sku, found.cents) == ("replace", "LIV-0760", 5500)
    assert [promise.note_id for promise in found.promises] == [4]


async def test_a_promise_that_is_only_claimed_or_has_lapsed_is_named_and_a_person_asked_for(
    simulator: Simulator,
) -> None:
    question = "Jonas promised me 15 EUR for the delay. When does it come?"
    for until in ("2026-11-01", "2026-11-30"):
        found = await proposal(simulator, "A-29", question, until)
        (promise,) = found.promises
        assert (found.resolution, found.escalate) == ("explain", True)
        assert (promise.note_id, promise.words, promise.cents) == (
            None,
            "Jonas promised me 15 EUR for the delay.",
            1500,
        )


async def test_without_any_promise_it_is_the_complaint_or_the_rules_that_answer(simulator: Simulator) -> None:
    question = "My mirror is cracked, please send me another one."
    complained = await proposal(simulator, "A-28", question, noted=False, limit="5000")
    nothing = await proposal(simulator, "A-29", "May I return the rug?", noted=False)
    assert (complained.resolution, complained.cents, complained.promises) == ("replace", 5500, ())
    assert complained.escalate, "it is worth more than the limit"
    assert (nothing.resolution, nothing.cents, nothing.promises) == ("explain", 0, ())


async def test_where_no_page_was_found_it_searches_for_one(simulator: Simulator) -> None:
    found = await proposal(simulator, "A-29", "May I return the rug?", pages="none was found")
    assert found.page_id == "returns-30-days"


async def test_the_script_fails_without_its_values(simulator: Simulator) -> None:
    for line in ("customer_id: C-13", "limit_cents: 10000", "question:"):
        request = ticket("A-26", "Where is my money?")
        asked = request["messages"][0]["content"].replace(line, "")
        with pytest.raises(anthropic.BadRequestError, match=line.split(":")[0]):
            await simulator.client.messages.create(**request | {"messages": [{"role": "user", "content": asked}]})
    without_file = ticket("A-26", "Where is my money?") | {"tools": TOOLS[1:]}
    with pytest.raises(anthropic.BadRequestError, match="crm__notes_of_customer"):
        await simulator.client.messages.create(**without_file)
