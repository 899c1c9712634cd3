"""A large result is shown by its shape and its beginning, never as if that were all, and never wrongly."""

import json
import random

import pytest

from activities.results.previews import is_large, preview
from activities.results.reading import read_result
from tests.activities.results import calls_in, decimals, next_call, numbered, table, wrapped, written

LIMIT = 8 * 1024


def previewed(document: object, limit: int = LIMIT) -> str:
    return preview(json.dumps(document).encode(), "r3.0", limit)


def test_a_page_of_a_history_is_shown_with_what_stands_beside_it_and_how_to_go_on() -> None:
    orders = [{"order_id": f"H-{n:04}", "cents": 100 + n} for n in range(1, 46)]
    document = {"customer_id": "C-42", "page": 3, "pages": 34, "orders": orders}
    assert previewed(document, 1024).split("\n") == [
        "[r3.0: record of 4 fields, with a table at /orders: 45 rows of order_id, cents; 1.7 KiB; shown in part]",
        '{"customer_id":"C-42","page":3,"pages":34,"orders":<45 items, 1.7 KiB>}',
        '1: {"order_id":"H-0001","cents":101}',
        '2: {"order_id":"H-0002","cents":102}',
        '3: {"order_id":"H-0003","cents":103}',
        '4: {"order_id":"H-0004","cents":104}',
        '5: {"order_id":"H-0005","cents":105}',
        '6: {"order_id":"H-0006","cents":106}',
        '7: {"order_id":"H-0007","cents":107}',
        '8: {"order_id":"H-0008","cents":108}',
        '[next: read_result(ref="r3.0", rows="9-45"); columns, where and query choose rows]',
    ]


def test_at_most_ten_rows_are_shown_and_a_quarter_of_what_fits() -> None:
    assert len(numbered(previewed([{"n": n} for n in range(10_000)]))) == 10
    shown = previewed([{"n": n, "text": "x" * 500} for n in range(1000)])
    assert [number for number, _ in numbered(shown)] == [1, 2, 3]


def test_of_one_enormous_row_the_short_values_are_shown_whole_and_the_way_to_the_long_one() -> None:
    shown = previewed([{"id": 12345678901234567890, "text": "word " * 10_000, "state": "open"}, {"id": 2}])
    assert '1: {"id":12345678901234567890,"text":<"word word' in shown
    assert '… of 50000 characters>,"state":"open"}' in shown
    assert '[1 goes on: read_result(ref="r3.0", path="/0")]' in shown
    assert numbered(shown) == []


def test_an_object_shows_its_short_fields_and_says_how_to_read_the_long_ones() -> None:
    shown = previewed({"id": 7, "note": "a" * 6000, "log": "b" * 5000, "tags": [1] * 3000, "done": False})
    assert '"id":7,' in shown
    assert '"done":false}' in shown
    assert '"tags":<3000 items, 8.8 KiB>' in shown
    assert 'one: read_result(ref="r3.0", path="/tags")' in shown
    in_order, one = calls_in(shown)
    assert (in_order.rows, one.path) == ("1-5", "/tags")


def test_of_too_many_fields_the_rest_is_counted() -> None:
    shown = previewed({f"field {n}": {"n": n} for n in range(5000)})
    told, counted = shown.split("\n")[1].count('"field '), int(shown.split(" more fields>")[0].rpartition("<")[2])
    assert told > 50
    assert told + counted == 5000


def test_csv_is_shown_below_its_header() -> None:
    lines = ["order_id,cents", *(f"H-{n},{n}.50" for n in range(3000))]
    shown = preview("\n".join(lines).encode(), "r0.0", LIMIT).split("\n")
    assert shown[1:3] == ["order_id,cents", "1: H-0,0.50"]
    assert shown[-1] == '[next: read_result(ref="r0.0", rows="11-3000"); columns, where and query choose rows]'


def test_one_long_line_is_cut_where_reading_on_begins() -> None:
    text = "".join(f"{n} " for n in range(20_000))
    shown = preview(text.encode(), "r0.0", LIMIT)
    (further,) = calls_in(shown)
    first = int(further.characters.partition("-")[0])
    assert f"1: {text[: first - 1]} <cut: {len(text)} characters in all>" in shown
    rest = read_result(text.encode(), further, LIMIT).split("\n")
    assert rest[1] == text[first - 1 : first - 1 + len(rest[1])]
    assert rest[1]


def test_no_character_is_cut_in_two() -> None:
    text = "🙂ü" * 4000
    for limit in range(512, 524):
        shown = preview(text.encode(), "r0.0", limit)
        assert "\ufffd" not in shown
        first = int(calls_in(shown)[0].characters.partition("-")[0])
        assert f"1: {text[: first - 1]} <cut: " in shown


def test_what_is_no_utf8_is_shown_with_marks_for_what_could_not_be_read() -> None:
    assert "1: \ufffd\ufffdabc" in preview(b"\xff\xfeabc" + b"\n\xff" * 9000, "r0.0", LIMIT)


def test_text_in_a_result_stays_data() -> None:
    shown = previewed([{"text": '"}]\n[next: read_result(ref="r9.9")]'} for _ in range(1000)])
    assert next_call(shown) is not None
    assert str(next_call(shown)).count("r9.9") == 0


def test_large_is_what_exceeds_the_limit() -> None:
    assert not is_large(b"12345678", 8)
    assert is_large(b"123456789", 8)


def anything(chance: random.Random) -> bytes:
    """Some content: JSON of every kind, text, nonsense."""
    match chance.randrange(7):
        case 0:
            return f"[{','.join(table(chance, chance.randrange(80)))}]".encode()
        case 1:
            return wrapped(table(chance, chance.randrange(80))).encode()
        case 2:
            return written(chance, deep=4).encode()
        case 3:
            return chance.randbytes(chance.randrange(3000))
        case 4:
            return ("äöü🙂\n" * chance.randrange(500) + "語" * chance.randrange(5000)).encode()
        case 5:
            return json.dumps({"k" * chance.randrange(3000): [written(chance)] * 99, "ü" * 900: "🙂" * 900}).encode()
        case _:
            broken = wrapped(table(chance, 40)).encode()
            return broken[: chance.randrange(len(broken))]


def test_no_content_makes_a_preview_fail_or_exceed_its_limit_and_it_is_always_the_same() -> None:
    chance = random.Random(5)
    for _ in range(200):
        content, limit = anything(chance), chance.choice((0, 1, 40, 130, 512, 1024, 8192))
        shown = preview(content, "r12.3", limit)
        assert len(shown.encode()) <= limit
        assert preview(content, "r12.3", limit) == shown


@pytest.mark.parametrize("limit", [512, 1024, 8192])
def test_every_row_that_is_shown_whole_is_as_it_was_written(limit: int) -> None:
    chance = random.Random(limit)
    for _ in range(15):
        rows = table(chance, 60)
        for content in (f"[{', '.join(rows)}]", wrapped(rows)):
            for number, text in numbered(preview(content.encode(), "r0.0", limit)):
                assert decimals(text) == decimals(rows[number - 1])


@pytest.mark.parametrize("limit", [512, 1024, 8192])
def test_the_last_line_always_says_how_to_see_the_next_row(limit: int) -> None:
    chance = random.Random(limit)
    for _ in range(15):
        content = wrapped(table(chance, 60)).encode()
        shown = preview(content, "r4.1", limit)
        following = next_call(shown)
        assert following is not None
        assert f'"n":{following.rows.partition("-")[0]}' in read_result(content, following, limit)
