"""What support needs of the shop's systems, in memory: rules that are searched, quotes, entries, goods sent again."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from demo.mcp_servers import world
from demo.mcp_servers.crm.notes import NOTES
from demo.mcp_servers.documentation import server as documentation
from demo.mcp_servers.documentation.library import FILE_NAME, INDEXES, VIEWS, Library
from demo.mcp_servers.documentation.pages import PAGES, PUBLISHED
from demo.mcp_servers.full_text import reading_as
from tests.demo.asking import ask, refusal
from tests.demo_servers import SERVERS

pytestmark = pytest.mark.many

MIRROR: dict[str, Any] = {"order_id": "A-28", "sku": "LIV-0760", "cents": 5500, "reference": "ours"}
ENTRY: dict[str, Any] = {
    "customer_id": "C-13",
    "order_id": "A-26",
    "ticket": "T-1",
    "outcome": "credited",
    "cents": 2000,
    "note_ids": [2],
    "why": "it was promised",
    "reference": "ours",
}
LETTER: dict[str, Any] = {
    "order_id": "A-26",
    "ticket": "T-1",
    "outcome": "credited",
    "cents": 2000,
    "page_id": "earlier-promises",
    "reference": "ours",
    "idempotency_key": "key-1",
}


# The documentation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "page_id"),
    [
        ("My parcel has not come, and it should have been here on Monday. Is it late?", "late-delivery"),
        ("The bowl was broken when it arrived", "damaged-goods"),
        ("Your colleague promised me a credit on the phone", "earlier-promises"),
        ("Can I still return it? I bought it three weeks ago and have not used it", "returns-30-days"),
        ("It stopped working after eleven months. Is there a warranty?", "warranty-two-years"),
        ("The price fell two days after I ordered", "price-changes"),
        ("There were no screws in the box, parts are missing", "missing-parts"),
    ],
)
async def test_a_question_in_a_customers_words_finds_the_rule_among_the_first_three(
    tmp_path: Path, question: str, page_id: str
) -> None:
    async with Client(documentation.build_server(Library(tmp_path))) as client:
        found = await ask(client, "search", text=question, most=3)
        page = await ask(client, "read_page", page_id=found["pages"][0]["page_id"])
    assert page_id in [each["page_id"] for each in found["pages"]]
    assert any("**" in each["excerpt"] for each in found["pages"])
    assert page["text"] in [written.text for written in PUBLISHED]


@pytest.mark.parametrize("text", ["xylophone", "the and of", '"; DROP TABLE pages; --', "NEAR(", "title:*", "-"])
async def test_what_is_searched_for_is_words_and_never_a_query(tmp_path: Path, text: str) -> None:
    async with Client(documentation.build_server(Library(tmp_path))) as client:
        found = await ask(client, "search", text=text)
        every = await ask(client, "list_pages")
    assert (found["count"], every["count"]) == (0, len(PUBLISHED))


async def test_a_page_that_there_is_not_is_listed_as_none_and_refused_by_name(tmp_path: Path) -> None:
    async with Client(documentation.build_server(Library(tmp_path))) as client:
        known = await ask(client, "list_pages", page_id="goodwill")
        unknown = await ask(client, "list_pages", page_id="good")
        said = await refusal(client, "read_page", page_id="good")
    assert (known["count"], unknown) == (1, {"count": 0, "pages": []})
    assert said.endswith("there is no page 'good'; search for what it is about")


def test_a_role_that_reads_is_kept_from_writing_by_the_file_and_by_every_statement(tmp_path: Path) -> None:
    Library(tmp_path)
    path = tmp_path / FILE_NAME
    attempts = (
        "DELETE FROM pages",
        "UPDATE pages SET text = ''",
        "INSERT INTO words (words) VALUES ('delete-all')",
        "CREATE TABLE mine (a)",
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "BEGIN IMMEDIATE",
    )
    with reading_as(path, VIEWS, INDEXES) as connection:
        for attempt in attempts:
            with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
                connection.execute(attempt)
        connection.set_authorizer(None)
        with pytest.raises(sqlite3.OperationalError, match="readonly database"):
            connection.execute("DELETE FROM pages")
    with closing(sqlite3.connect(path)) as owner:
        assert owner.execute("SELECT count(*) FROM pages").fetchone()[0] == len(PAGES)


def test_a_role_reads_the_views_that_it_is_given_and_nothing_behind_them(tmp_path: Path) -> None:
    Library(tmp_path)
    with reading_as(tmp_path / FILE_NAME, VIEWS, INDEXES) as connection:
        found = [row["page_id"] for row in connection.execute("SELECT page_id FROM published")]
        indexed = [row["page_id"] for row in connection.execute("SELECT page_id FROM words")]
        for table in ("pages", "sqlite_master"):
            with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
                connection.execute(f"SELECT * FROM {table}").fetchall()
    assert found == indexed == [page.page_id for page in PUBLISHED]
    assert len(PUBLISHED) < len(PAGES), "there is a draft to be seen"


def test_a_statement_without_end_is_interrupted(tmp_path: Path) -> None:
    Library(tmp_path)
    crossed = " CROSS JOIN ".join(f"published AS p{number}" for number in range(12))
    with (
        reading_as(tmp_path / FILE_NAME, VIEWS, INDEXES, longest_seconds=0.2) as connection,
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(f"SELECT count(*) FROM {crossed}").fetchone()


# The customer file ---------------------------------------------------------------------------------------------


async def test_words_stand_in_a_note_of_this_customer_or_they_are_missing(tmp_path: Path) -> None:
    quotes = [
        {"note_id": 2, "words": "promised her  a CREDIT of 20.00 EUR"},
        {"note_id": 1, "words": "promised her a credit"},
        {"note_id": 4, "words": "we send the wall mirror once more"},
        {"note_id": None, "words": "promised her a credit"},
    ]
    async with Client(SERVERS["crm"](tmp_path)) as client:
        checked = await ask(client, "check_quotes", customer_id="C-13", quotes=quotes)
        every = await ask(client, "check_quotes", customer_id="C-13", quotes=quotes[:1])
        nobody = await refusal(client, "check_quotes", customer_id="C-99", quotes=quotes)
    assert [quote["stands"] for quote in checked["quotes"]] == [True, False, False, False]
    assert (checked["missing"], checked["first_missing"]) == (3, 1)
    assert (every["missing"], every["first_missing"]) == (0, None)
    assert "there is no customer 'C-99'" in nobody


async def test_what_was_promised_is_on_file_with_the_day_until_which_it_binds(tmp_path: Path) -> None:
    async with Client(SERVERS["crm"](tmp_path)) as client:
        noor = await ask(client, "notes_of_customer", customer_id="C-13")
    (promise,) = [note for note in NOTES if "{until}" in note.text and note.customer_id == "C-13"]
    until = world.today() + timedelta(days=promise.binds_days)
    assert f"a credit of 20.00 EUR for it until {until}" in noor["notes"][1]["text"]
    assert date.fromisoformat(noor["notes"][1]["written_at"][:10]) == world.today() - timedelta(days=promise.days_ago)


async def test_what_was_done_is_entered_once_for_each_matter_and_names_the_customers_own_notes(tmp_path: Path) -> None:
    async with Client(SERVERS["crm"](tmp_path)) as client:
        first = await ask(client, "log_interaction", **ENTRY)
        assert await ask(client, "log_interaction", **ENTRY) == first
        strange = await refusal(client, "log_interaction", **ENTRY | {"note_ids": [4], "reference": "theirs"})
        another = await refusal(client, "log_interaction", **ENTRY | {"cents": 2001})
        elsewhere = await refusal(client, "log_interaction", **ENTRY | {"customer_id": "C-14", "note_ids": []})
        listed = await ask(client, "interactions_of_customer", customer_id="C-13")
        others = await ask(client, "interactions_of_customer", customer_id="C-13", reference="theirs")
    assert (listed["count"], listed["interactions"], others["count"]) == (1, [first], 0)
    assert "the file of customer 'C-13' has no note 4" in strange
    assert "'ours' has logged something else here: credited, 2000 cents" in another
    assert "'ours' has logged something here about another customer" in elsewhere


# Goods that are sent once more ---------------------------------------------------------------------------------


async def test_an_item_is_sent_once_more_and_taken_back_by_whoever_has_sent_it(tmp_path: Path) -> None:
    item = {name: MIRROR[name] for name in ("order_id", "sku", "reference")}
    async with Client(SERVERS["orders"](tmp_path)) as client:
        first = await ask(client, "place_replacement", **MIRROR)
        assert await ask(client, "place_replacement", **MIRROR) == first
        again = await refusal(client, "place_replacement", **MIRROR | {"reference": "theirs"})
        await ask(client, "cancel_replacement", **item | {"reference": "theirs"})
        standing = await ask(client, "replacements_of_order", order_id="A-28")
        for _ in range(2):
            cancelled = await ask(client, "cancel_replacement", **item)
        theirs = await ask(client, "place_replacement", **MIRROR | {"reference": "theirs"})
        every = await ask(client, "replacements_of_order", order_id="A-28")
    assert "has been replaced already, by 'ours'" in again
    assert (standing["standing_count"], cancelled["standing_count"], theirs["status"]) == (1, 0, "ordered")
    assert [each["status"] for each in every["replacements"]] == ["cancelled", "ordered"]


@pytest.mark.parametrize(
    ("otherwise", "said"),
    [
        ({"sku": "OFF-0911"}, "order 'A-28' has no item 'OFF-0911'"),
        ({"cents": 5499}, "'LIV-0760' costs 5500 cents in order 'A-28', not 5499"),
        ({"order_id": "A-21", "sku": "LIV-0741", "cents": 8900}, "order 'A-21' is placed; only what was delivered"),
        ({"order_id": "A-20", "sku": "BAT-0518", "cents": 1500}, "what was refunded is not replaced as well"),
        ({"order_id": "A-0"}, "there is no order 'A-0'"),
    ],
)
async def test_nothing_is_sent_that_is_not_owed(tmp_path: Path, otherwise: dict[str, Any], said: str) -> None:
    async with Client(SERVERS["orders"](tmp_path)) as client:
        assert said in await refusal(client, "place_replacement", **MIRROR | otherwise)


# The mail service ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("explained", "Our rule is called 'What an agent has promised'"),
        ("credited", "we have credited 20.00 EUR"),
        ("replaced", "we send you the item once more"),
        ("declined", "cannot do what you asked for"),
    ],
)
async def test_a_customer_is_told_once_in_words_of_the_service(tmp_path: Path, outcome: str, said: str) -> None:
    letter = LETTER | {"outcome": outcome}
    async with Client(SERVERS["mail"](tmp_path)) as client:
        first = await ask(client, "confirm_resolution", **letter)
        assert await ask(client, "confirm_resolution", **letter) == first
        another = await refusal(client, "confirm_resolution", **letter | {"ticket": "T-2"})
        told = await ask(client, "confirmations_of", reference="ours")
        box = await ask(client, "mail_sent_to", to="noor.devries@example.com")
    assert (told["count"], told["confirmations"]) == (1, [first])
    assert [mail["mail_id"] for mail in box["mails"]] == [first["mail_id"]]
    assert said in box["mails"][0]["body"]
    assert "the idempotency key 'key-1' was used for another" in another


async def test_whoever_has_no_address_is_told_nothing_and_it_is_kept_that_there_was_something_to_tell(
    tmp_path: Path,
) -> None:
    async with Client(SERVERS["mail"](tmp_path)) as client:
        for _ in range(2):
            told = await ask(client, "confirm_resolution", **LETTER | {"order_id": "A-29", "outcome": "explained"})
        kept = await ask(client, "confirmations_of", reference="ours")
    assert (told["sent"], told["mail_id"], kept["count"]) == (False, None, 1)


@pytest.mark.parametrize(
    ("outcome", "page_id", "taken"), [("explained", "", False), ("declined", "", True), ("declined", "no-page", False)]
)
async def test_an_answer_rests_on_a_page_that_there_is(tmp_path: Path, outcome: str, page_id: str, taken: bool) -> None:
    letter = LETTER | {"outcome": outcome, "page_id": page_id}
    async with Client(SERVERS["mail"](tmp_path)) as client:
        result = await client.call_tool("confirm_resolution", letter)
    assert result.is_error is not taken
