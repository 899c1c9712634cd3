"""Every value of a stored result is reached by reading on, exactly as it was written; what is not there is said."""

import json
import random
from typing import Any

import pytest
from pydantic import ValidationError

from activities.arguments import misfit
from activities.results.reading import read_result
from activities.results.requests import READ_RESULT, CannotRead, ReadRequest
from tests.activities.results import (
    WORDS,
    calls_in,
    decimals,
    every_answer,
    next_call,
    numbered,
    table,
    wrapped,
    written,
)

LIMIT = 2048
ORDERS = [
    {"order_id": f"H-{n:04}", "status": "open" if n % 3 else "late", "cents": n * 100, "items": [{"sku": f"S{n}"}]}
    for n in range(1, 46)
]
PAGE = json.dumps({"customer_id": "C-42", "page": 3, "orders": ORDERS}).encode()
LOG = "".join(f"line {n}: {'error' if n % 50 == 0 else 'fine'}\n" for n in range(1, 301)).encode()
CSV = ("id,name,cents\n" + "".join(f'{n},"Name, {n}",{n}.50\n' for n in range(1, 200))).encode()


def answer(content: bytes, limit: int = LIMIT, **request: Any) -> str:
    return read_result(content, ReadRequest.model_validate({"ref": "r3.0", **request}), limit)


def refusal(content: bytes, **request: Any) -> str:
    with pytest.raises(CannotRead) as refused:
        answer(content, **request)
    return str(refused.value)


# Paging


@pytest.mark.parametrize("limit", [512, 1024, 8192])
def test_every_row_of_any_table_is_reached_once_and_exactly(limit: int) -> None:
    chance = random.Random(limit)
    for _ in range(6):
        rows = table(chance, chance.randrange(1, 120))
        for content in (f"[{','.join(rows)}]", wrapped(rows)):
            answers = every_answer(content.encode(), ReadRequest(ref="r0.0", rows="1-"), limit)
            assert all(len(each.encode()) <= limit for each in answers)
            shown = [pair for each in answers for pair in numbered(each)]
            cut = {int(call.path.rpartition("/")[2]) + 1 for each in answers for call in calls_in(each) if call.path}
            assert sorted([number for number, _ in shown] + list(cut)) == list(range(1, len(rows) + 1))
            assert all(decimals(text) == decimals(rows[number - 1]) for number, text in shown)


def test_a_row_that_is_larger_than_an_answer_is_read_by_its_parts() -> None:
    note = "".join(f"{n} ü🙂 " for n in range(3000))
    content = json.dumps([{"n": 1}, {"n": 2, "deep": {"note": note, "k": 10}}, {"n": 3}]).encode()
    answers = every_answer(content, ReadRequest(ref="r0.0"), LIMIT)
    assert [calls_in(each)[0].path for each in answers if "goes on" in each] == ["/1"]
    deep = answer(content, path="/1")
    assert '"k":10' in deep
    beginning = deep.partition("\n1: ")[2].partition(" <cut: ")[0]
    (further,) = calls_in(deep)
    pieces = every_answer(content, further, LIMIT)
    assert beginning + "".join(each.split("\n")[1] for each in pieces) == note
    pieces = every_answer(content, ReadRequest(ref="r0.0", path="/1/deep/note", characters="1-"), LIMIT)
    assert "".join(each.split("\n")[1] for each in pieces) == note


def test_every_line_of_a_text_is_reached_once() -> None:
    chance = random.Random(3)
    lines = ["".join(chance.choices("aü🙂 \t,", k=chance.randrange(60))) for _ in range(400)]
    content = "\n".join([*lines, "end"]).encode()
    answers = every_answer(content, ReadRequest(ref="r0.0", rows="1-"), 512)
    assert [pair for each in answers for pair in numbered(each)] == list(enumerate([*lines, "end"], start=1))


def test_every_record_of_csv_is_reached_below_its_header() -> None:
    answers = every_answer(CSV, ReadRequest(ref="r0.0", rows="1-"), 512)
    assert all(each.split("\n")[1] == "id,name,cents" for each in answers)
    assert [pair for each in answers for pair in numbered(each)] == [
        (n, f'{n},"Name, {n}",{n}.50') for n in range(1, 200)
    ]


def test_every_field_of_a_map_is_reached() -> None:
    content = json.dumps({f"C/{n}~": {"n": n} for n in range(500)}).encode()
    answers = every_answer(content, ReadRequest(ref="r0.0"), 1024)
    shown = [text for each in answers for _, text in numbered(each)]
    assert shown == [f'"C/{n}~": {{"n":{n}}}' for n in range(500)]
    assert answer(content, path="/C~17~0").endswith('\n{"n": 7}')


def test_a_field_with_an_enormous_name_is_reached_by_characters() -> None:
    content = json.dumps({"k" * 3000: ["x"] * 500, "m" * 3000: ["y"] * 500}).encode()
    (further,) = [call for call in calls_in(answer(content, rows="1")) if call.characters]
    pieces = every_answer(content, further, LIMIT)
    items = ",".join(['"x"'] * 500)
    assert "".join(each.split("\n")[1] for each in pieces) == f'"{"k" * 3000}": [{items}]'


def test_named_rows_are_shown_and_the_heading_says_of_how_many() -> None:
    assert answer(PAGE, rows="44-60", columns=["order_id"]).split("\n") == [
        "[r3.0 /orders: rows 44 to 45 of 45]",
        '44: {"order_id":"H-0044"}',
        '45: {"order_id":"H-0045"}',
    ]
    assert answer(PAGE, rows="7", columns=["cents", "order_id"]).split("\n") == [
        "[r3.0 /orders: row 7 of 45]",
        '7: {"cents":700,"order_id":"H-0007"}',
    ]


def test_what_fits_is_shown_whole_as_it_was_written() -> None:
    content = b'{"a":  1.10,\n "a": 2,"b": NaN, "c":"\\u00fc\\ud83d"}'
    assert answer(content) == f"[r3.0: all of it, {len(content)} bytes]\n{content.decode()}"
    assert answer(PAGE, path="/orders/6/items/0/sku") == "[r3.0 /orders/6/items/0/sku: all of it, 2 bytes]\nS7"
    assert answer(b'{"result": "[{\\"a\\": 10.10}]"}', path="/result/0/a").endswith("\n10.10")


def test_without_a_choice_the_fields_beside_the_rows_come_first() -> None:
    shown = answer(PAGE).split("\n")
    assert shown[0].startswith("[r3.0 /orders: rows 1 to ")
    assert shown[1].startswith('{"customer_id":"C-42","page":3,"orders":<45 items, ')
    assert shown[2] == '1: {"order_id":"H-0001","status":"open","cents":100,"items":[{"sku":"S1"}]}'


def test_numbers_names_and_order_survive_whatever_they_are() -> None:
    row = '{"z":12345678901234567890123,"a":0.10000000000000000000001,"z":1e400,"ü":-0,"\\u00fc":"\\ud800"}'
    content = f"[{', '.join([row] * 99)}]".encode()
    assert numbered(answer(content, rows="50"))[0] == (50, row)
    projected = answer(content, rows="50", columns=["ü", "z"])
    assert projected.endswith('50: {"ü":-0,"\\u00fc":"\\ud800","z":12345678901234567890123,"z":1e400}')


# Choosing


def test_where_finds_rows_by_what_stands_in_columns() -> None:
    shown = answer(PAGE, where={"status": "late", "cents": 900}, columns=["order_id"])
    assert shown == '[r3.0 /orders: 1 of 45 rows matches]\n9: {"order_id":"H-0009"}'
    assert answer(PAGE, where={"status": "LATE"}) == "[r3.0 /orders: 0 of 45 rows match]"


@pytest.mark.parametrize(
    ("cell", "wanted", "found"),
    [
        ("10.10", 10.1, True),
        ("10.10", "10.10", True),
        ("10.10", "10.1", False),
        ('"10.10"', 10.1, True),
        ("12345678901234567890", 12345678901234567890, True),
        ("12345678901234567890", 12345678901234567891, False),
        ("0.1234567890123456789", 0.1234567890123456789, True),
        ("1e3", 1000, True),
        ("1e999999999999", 1000, False),
        ("NaN", 1000, False),
        ("true", True, True),
        ("1", True, False),
        ("true", 1, False),
        ("null", None, True),
        ('""', None, False),
        ('"open"', "open", True),
        ('"open"', "Open", False),
        ('["open"]', "open", False),
        ('"ü"', "ü", True),
        ('"\\u00fc"', "ü", True),
    ],
)
def test_a_value_is_equal_by_what_it_is(cell: str, wanted: object, found: bool) -> None:
    shown = answer(f'[{{"cell": {cell}}}, {{"other": "-"}}]'.encode(), where={"cell": wanted}, rows="1")
    assert bool(numbered(shown)) == found


def test_a_column_that_a_row_does_not_have_counts_as_null() -> None:
    assert numbered(answer(b'[{"a": 1, "b": 2}, {"a": 1}]', where={"b": None})) == [(2, '{"a":1}')]


def test_query_finds_values_in_whichever_case_but_not_names_of_columns() -> None:
    assert [number for number, _ in numbered(answer(PAGE, query="h-0044"))] == [44]
    assert answer(PAGE, query="order_id").startswith("[r3.0 /orders: 0 of 45 rows match]")
    assert [number for number, _ in numbered(answer(PAGE, query="s45"))] == [45]


def test_query_finds_what_stands_beside_the_rows_too() -> None:
    assert answer(PAGE, query="c-42").split("\n") == [
        "[r3.0 /orders: 0 of 45 rows match, and 1 field beside them]",
        '/customer_id: "C-42"',
    ]


def test_query_shows_lines_of_text_with_their_neighbours() -> None:
    assert answer(LOG, query="ERROR", rows="90-160").split("\n") == [
        "[r3.0: 2 of lines 90 to 160 match]",
        "99- line 99: fine",
        "100: line 100: error",
        "101- line 101: fine",
        "149- line 149: fine",
        "150: line 150: error",
        "151- line 151: fine",
    ]


def test_what_is_found_is_paged_to_the_end_too() -> None:
    for content, request, count in (
        (PAGE, ReadRequest(ref="r0.0", where={"status": "open"}), 30),
        (LOG, ReadRequest(ref="r0.0", query="fine"), 294),
        (CSV, ReadRequest(ref="r0.0", query=".50", columns=("id",)), 199),
    ):
        answers = every_answer(content, request, 512)
        assert len(answers) > 1
        shown = [number for each in answers for number, _ in numbered(each)]
        assert len(shown) == len(set(shown)) == count


def test_every_value_of_any_document_is_found_by_its_text() -> None:
    chance = random.Random(9)
    for _ in range(80):
        word = chance.choice([word for word in WORDS if word])
        content = f'{{"x": [{written(chance)}, {{"y": {written(chance)}, "z": {json.dumps(word)}}}]}}'.encode()
        shown = answer(content, query=word.upper())
        assert " 0 of " not in shown or "beside" in shown


def test_every_where_finds_exactly_the_rows_that_have_it() -> None:
    chance = random.Random(10)
    for _ in range(60):
        rows = table(chance, 40)
        number = chance.randrange(1, 41)
        shown = numbered(answer(f"[{','.join(rows)}]".encode(), where={"n": number}, limit=8192))
        assert [(found, decimals(text)) for found, text in shown] == [(number, decimals(rows[number - 1]))]


# What does not fit


@pytest.mark.parametrize(
    ("content", "request_", "said"),
    [
        (
            PAGE,
            {"path": "/ordres"},
            "path: there is no 'ordres' in the result; there are 'customer_id', 'page', 'orders'",
        ),
        (PAGE, {"path": "/orders/45"}, "path: there is no '45' in /orders; there are 45 items, 0 to 44"),
        (PAGE, {"path": "/orders/-1"}, "path: there is no '-1' in /orders"),
        (PAGE, {"path": "/page/x"}, "path: there is no 'x' in /page; it is a value without parts"),
        (LOG, {"path": "/orders"}, "path: the result is text and has no parts; read it by rows, characters or query"),
        (PAGE, {"rows": "46-60"}, "rows: '46-60' begins behind the end; there are only 45 rows"),
        (b"[]", {"rows": "1"}, "rows: '1' begins behind the end; there are no items"),
        (PAGE, {"columns": ["id"]}, "columns: there is no column id; there are order_id, status, cents, items"),
        (PAGE, {"where": {"x y": 1}}, 'where: there is no column "x y"; there are order_id'),
        (LOG, {"where": {"a": 1}}, "where: there is no table here, only 300 lines; ask by path, rows or query"),
        (PAGE, {"path": "/orders/0", "columns": ["sku"]}, "columns: there is no table here, only 4 fields"),
        (LOG, {"rows": "1-2", "characters": "1-5"}, "rows: characters are those of one row; name a single one"),
        (LOG, {"rows": "1", "characters": "99-"}, "characters: '99-' begins behind the end; there are 12"),
    ],
)
def test_a_request_that_does_not_fit_names_the_field_and_what_there_is(
    content: bytes, request_: dict[str, Any], said: str
) -> None:
    assert refusal(content, **request_).startswith(said)


def test_a_refusal_is_short_however_long_the_names() -> None:
    content = json.dumps([{"n" * 5000: 1, **{f"{n}" * 50: n for n in range(200)}}]).encode()
    assert len(refusal(content, columns=["x" * 5000]).encode()) <= 1000
    assert len(refusal(json.dumps({"n" * 5000: [1]}).encode(), path="/x").encode()) <= 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "name a result with ref, such as r3.0, or search all of them with query"),
        ({"query": "x", "path": "/a"}, "without ref all results are searched, by query alone"),
        ({"ref": "3.0"}, "ref"),
        ({"ref": "r3.0", "path": "orders"}, "'orders' is no JSON pointer"),
        ({"ref": "r3.0", "path": "/a~2"}, "'/a~2' is no JSON pointer"),
        ({"ref": "r3.0", "rows": "0-5"}, "rows"),
        ({"ref": "r3.0", "rows": "9-5"}, "'9-5' ends before it begins; write 5-9"),
        ({"ref": "r3.0", "characters": "1-5", "query": "x"}, "characters go with"),
        ({"ref": "r3.0", "limit": 5}, "limit"),
        ({"ref": "r3.0", "where": {"a": [1]}}, "where.a"),
    ],
)
def test_a_malformed_request_is_refused_naming_the_field(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ReadRequest.model_validate(arguments)
    assert said in str(refused.value)


# What the model is told


def test_the_schema_takes_what_a_request_takes_and_nothing_else() -> None:
    assert set(READ_RESULT.input_schema["properties"]) == set(ReadRequest.model_fields)  # type: ignore[arg-type]
    fits = {"ref": "r3.0", "path": "/a", "rows": "1-2", "columns": ["a"], "where": {"a": None, "b": 1.5}, "query": "x"}
    assert misfit(fits, READ_RESULT.input_schema) == ""  # type: ignore[arg-type]
    ReadRequest.model_validate(fits)
    unfit: tuple[dict[str, Any], ...] = ({"ref": 3}, {"ref": "r3.0", "more": 1}, {"where": {"a": []}}, {"columns": "a"})
    assert all(misfit(wrong, READ_RESULT.input_schema) for wrong in unfit)


def test_no_answer_exceeds_its_limit_and_each_is_always_the_same() -> None:
    chance = random.Random(11)
    requests: tuple[dict[str, Any], ...] = (
        {},
        {"rows": "2-"},
        {"query": "open"},
        {"query": "a" * 200, "rows": "1-"},
        {"characters": "2-"},
        {"where": {"n": 3}},
        {"columns": ["n"]},
        {"path": "/0"},
        {"path": "/orders"},
    )
    for _ in range(150):
        rows = table(chance, chance.randrange(1, 60))
        content = chance.choice((f"[{','.join(rows)}]", wrapped(rows), "ü🙂\n" * 900, written(chance))).encode()
        request = ReadRequest.model_validate({"ref": "r1.0", **chance.choice(requests)})
        limit = chance.choice((0, 10, 100, 512, 4096))
        try:
            shown = read_result(content, request, limit)
        except CannotRead:
            continue
        assert len(shown.encode()) <= limit
        assert read_result(content, request, limit) == shown


def test_two_megabytes_are_read_in_one_go() -> None:
    rows = [f'{{"n": {n}, "text": "{"x" * 80}"}}' for n in range(20_000)]
    content = wrapped(rows).encode()
    assert len(content) > 2_000_000
    assert numbered(answer(content, rows="19999", columns=["n"])) == [(19999, '{"n":19998}')]
    assert next_call(answer(content, query="x")) is not None
