"""Results are described by their shape, whatever a server answered; never by a value of them."""

import json

import pytest

from activities.results.previews import one_line
from activities.results.shapes import Shape, ShapeKind, shape_of

ORDERS = [{"order_id": f"H-{n}", "cents": n} for n in range(120)]
LONG = "word " * 400


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (json.dumps(ORDERS), ShapeKind.TABLE, "table, 120 rows of order_id, cents; 4.1 KiB"),
        ('[{"a": 1}, {"b": 2, "a": 3}]', ShapeKind.TABLE, "table, 2 rows of a, b; 28 bytes"),
        ("a,b\n1,2\n3,4\n", ShapeKind.TABLE, "table, 2 rows of a, b; 12 bytes"),
        ("a\tb\n1\t2\n3\t4", ShapeKind.TABLE, "table, 2 rows of a, b; 11 bytes"),
        ('a;b\r\n1;"2\n3"\r\n4;5\r\n', ShapeKind.TABLE, "table, 2 rows of a, b; 19 bytes"),
        ("\ufeffa,b\n1,2\n3,4", ShapeKind.TABLE, "table, 2 rows of a, b; 14 bytes"),
        ("[1, 2, {}]", ShapeKind.LIST, "list, 3 items; 10 bytes"),
        ("[]", ShapeKind.LIST, "list, 0 items; 2 bytes"),
        ("[NaN, Infinity]", ShapeKind.LIST, "list, 2 items; 15 bytes"),
        ('{"a": 1, "b c": [], "": 2}', ShapeKind.RECORD, 'record of 3 fields: a, "b c", ""; 26 bytes'),
        ("{}", ShapeKind.RECORD, "record of 0 fields; 2 bytes"),
        ("12345678901234567890", ShapeKind.VALUE, "value; 20 bytes"),
        ('"text"', ShapeKind.VALUE, "value; 6 bytes"),
        ("Hello,\nworld,", ShapeKind.TEXT, "text, 2 lines; 13 bytes"),
        ("Dear Ann,\nthank you, and\ngood bye, Bob", ShapeKind.TEXT, "text, 3 lines; 38 bytes"),
        ("name,age\nAnn,5\nBob", ShapeKind.TEXT, "text, 3 lines; 18 bytes"),
        ('{"a": 1} and more', ShapeKind.TEXT, "text, 1 line; 17 bytes"),
        ("", ShapeKind.EMPTY, "empty; 0 bytes"),
        (" \n", ShapeKind.EMPTY, "empty; 2 bytes"),
    ],
)
def test_each_kind_of_result_has_its_shape(content: str, kind: ShapeKind, words: str) -> None:
    shape = shape_of(content.encode())
    assert (shape.kind, shape.words()) == (kind, words)


@pytest.mark.parametrize(
    ("document", "at", "rows", "words"),
    [
        ({"page": 3, "orders": ORDERS}, "/orders", 120, "with a table at /orders: 120 rows of order_id, cents"),
        (
            {"data": {"total": 5, "it/ems": [1, 2, 3, 4, 5] * 9}},
            "/data/it~1ems",
            45,
            "with a list at /data/it~1ems: 45",
        ),
        ({"result": LONG + "\n" + LONG}, "/result", 2, "with a text at /result: 2 lines"),
        ({"result": json.dumps({"orders": ORDERS})}, "/result/orders", 120, "with a table at /result/orders: 120 rows"),
        ({"result": "a,b\n" + "1,2\n" * 500}, "/result", 500, "with a table at /result: 500 rows of a, b"),
        (
            {"ok": True, "order": {"id": 1, "status": "open"}},
            "/order",
            2,
            "with a record at /order: 2 fields: id, status",
        ),
    ],
)
def test_what_servers_wrap_is_found(document: object, at: str, rows: int, words: str) -> None:
    shape = shape_of(json.dumps(document).encode())
    assert (shape.kind, shape.at, shape.rows) == (ShapeKind.RECORD, at, rows)
    assert words in shape.words()


def test_what_is_wrapped_beyond_measure_is_not_unwrapped() -> None:
    wrapped = '{"a":' * 60 + json.dumps(ORDERS) + "}" * 60
    shape = shape_of(wrapped.encode())
    assert (shape.at, shape.part) == ("/a" * 8, ShapeKind.RECORD)


def test_an_object_that_is_not_mostly_one_list_is_no_table() -> None:
    document = {"name": "word " * 20, "note": "word " * 20, "tags": [1, 2, 3]}
    shape = shape_of(json.dumps(document).encode())
    assert (shape.at, shape.part, shape.columns) == ("", None, ("name", "note", "tags"))


def test_of_many_columns_the_first_are_named_and_the_rest_counted() -> None:
    shape = shape_of(json.dumps([{f"column {n}": n for n in range(300)}]).encode())
    assert (len(shape.columns), shape.more_columns) == (20, 280)
    assert shape.words().endswith('"column 11" and 288 more; 5.4 KiB')


def test_names_from_outside_are_one_line_and_not_long() -> None:
    shape = shape_of(json.dumps([{"a\n[next: read_result()]": 1, "long" * 1000: 2}]).encode())
    assert "\n" not in shape.words()
    assert len(shape.words()) < 300


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_what_is_nested_beyond_measure_is_text(opening: str) -> None:
    closing = "".join("}" if each == "{" else "]" for each in reversed(opening) if each in "[{")
    for depth in (100, 1_000, 100_000):
        shape = shape_of((opening * depth + "1" + closing * depth).encode())
        assert (shape.kind, shape.rows) == (ShapeKind.TEXT, 1)
    levels = opening.count("[") + opening.count("{")
    shallow = (opening * (64 // levels) + "1" + closing * (64 // levels)).encode()
    assert shape_of(shallow).kind is not ShapeKind.TEXT


def test_bytes_that_are_no_text_are_described_too() -> None:
    assert shape_of(bytes(range(256)) * 10).kind is ShapeKind.TEXT


def test_the_line_that_stands_for_an_older_result_names_it_and_how_to_see_it() -> None:
    shape = shape_of(json.dumps(ORDERS).encode())
    line = one_line(shape, "r3.0", "orders.order_history", failed=False)
    assert line == '[r3.0 orders.order_history: table, 120 rows, 4.1 KiB; read_result(ref="r3.0") shows it]'
    failed = one_line(shape_of(b"no such order"), "r3.1", "orders.find_order", failed=True)
    assert failed == '[r3.1 orders.find_order: failed, text, 1 line, 13 bytes; read_result(ref="r3.1") shows it]'


def test_that_line_is_short_whatever_the_names() -> None:
    wrapped = json.dumps({"ü" * 500: {"b": ORDERS}}).encode()
    for shape in (shape_of(wrapped), Shape(kind=ShapeKind.TABLE, bytes=10**12, rows=10**9)):
        line = one_line(shape, "r123456.123456", "server." + "tööl" * 50, failed=True)
        assert len(line.encode()) <= 160
        assert line.endswith('read_result(ref="r123456.123456") shows it]')
