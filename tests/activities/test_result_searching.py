"""All results of a conversation are searched at once: what was found where, and how to see the rest."""

import json
import random

from activities.results.reading import read_result
from activities.results.searching import search_results
from tests.activities.results import WORDS, calls_in, written

LATE = json.dumps(
    {"page": 1, "orders": [{"id": n, "status": "late" if n == 7 else "open"} for n in range(30)]}
).encode()
NOTE = b"The customer called.\nThe parcel is late again.\nNothing else."
CARD = json.dumps({"customer_id": "C-42", "since": 2014, "note": 'said "late"'}).encode()
CSV = b'id,note\n1,"so ""late"" again"\n2,fine\n'
RESULTS = [("r4.0", "crm.find_customer", CARD), ("r3.1", "crm.read_note", NOTE), ("r2.0", "orders.open", LATE)]


def test_what_is_found_is_grouped_by_result_and_counted() -> None:
    assert search_results(RESULTS, "LATE", 4096).split("\n") == [
        '[3 results of 3 searched: read_result(query="LATE")]',
        "r4.0 crm.find_customer: 1 of 3 fields",
        '3: "note": "said \\"late\\""',
        "r3.1 crm.read_note: 1 of 3 lines",
        "2: The parcel is late again.",
        "r2.0 orders.open: 1 of 30 rows at /orders",
        '8: {"id":7,"status":"late"}',
    ]


def test_what_is_escaped_in_csv_is_found_too() -> None:
    assert 'r0.0 a.b: 1 of 2 rows\nid,note\n1: 1,"so ""late"" again"' in search_results(
        [("r0.0", "a.b", CSV)], '"late"', 999
    )


def test_fields_beside_the_rows_are_found() -> None:
    content = json.dumps({"customer": "C-42", "orders": [{"id": n} for n in range(30)]}).encode()
    shown = search_results([("r0.0", "orders.open", content)], "c-42", 999)
    assert shown.split("\n")[1:] == ["r0.0 orders.open: 0 of 30 rows at /orders", '/customer: "C-42"']


def test_of_many_rows_the_first_are_shown_and_the_call_that_shows_them_all() -> None:
    content = json.dumps([{"id": n, "status": "open"} for n in range(300)]).encode()
    shown = search_results([("r0.0", "orders.open", content)], "open", 4096)
    assert "r0.0 orders.open: 300 of 300 rows" in shown
    all_of_them = calls_in(shown)[-1]
    assert read_result(content, all_of_them, 8192).startswith("[r0.0: 300 of 300 rows match, ")


def test_results_that_do_not_fit_are_named() -> None:
    results = [(f"r{n}.0", "orders.open", LATE) for n in reversed(range(60))]
    shown = search_results(results, "late", 1024)
    assert len(shown.encode()) <= 1024
    assert shown.startswith("[60 results of 60 searched")
    told = shown.count(" orders.open: 1 of 30 rows")
    assert told >= 3
    assert f"[and in {60 - told} more results: r{59 - told}.0, " in shown.split("\n")[-1]


def test_nothing_found_is_said() -> None:
    assert search_results(RESULTS, "early", 999) == '[0 results of 3 searched: read_result(query="early")]'
    assert search_results([], "early", 999) == '[0 results of 0 searched: read_result(query="early")]'


def test_whatever_is_in_a_result_is_found_and_no_answer_exceeds_its_limit() -> None:
    chance = random.Random(12)
    for _ in range(80):
        word = chance.choice([word for word in WORDS if word])
        holding = f'{{"a": {written(chance)}, "b": {{"c": [{json.dumps(word)}]}}}}'.encode()
        others = [(f"r{n}.0", "a.b", written(chance).encode()) for n in range(5)]
        limit = chance.choice((0, 30, 200, 900, 8192))
        shown = search_results([("r9.0", "a.b", holding), *others], word.swapcase(), limit)
        assert len(shown.encode()) <= limit
        assert limit < 900 or "\nr9.0 a.b: " in shown
