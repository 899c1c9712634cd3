"""Canonical JSON: the same bytes for the same meaning, and nothing that could be read in two ways."""

import hashlib
import json
import random
import unicodedata
from typing import Any

import pytest
import rfc8785

from contracts.canonical import canonical_json, digest, parse_json
from contracts.model import Model
from contracts.tools import Action


class Box(Model):
    """Two fields, written in no alphabetical order."""

    width: int
    height: int = 2


def test_the_example_of_the_rfc_comes_out_byte_for_byte() -> None:
    given: Any = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'\u0042"\\\\"/',
        "literals": [None, True, False],
    }
    written = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f' + r"\nA'B\"\\\\\"" + '/"}'
    )
    assert canonical_json(given).decode() == written


def test_keys_are_sorted_by_their_utf_16_units_whatever_order_they_were_given_in() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = json.loads(canonical_json(dict.fromkeys(names, 0)))
    assert list(written) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert digest({"b": 1, "a": {"d": 2, "c": 3}}) == digest({"a": {"c": 3, "d": 2}, "b": 1})


def test_what_is_written_by_the_short_way_is_written_the_same_by_the_long_one() -> None:
    lots = random.Random(8785)
    for _ in range(2000):
        value = any_value(lots, depth=3)
        assert canonical_json(value) == rfc8785.dumps(value), value


def any_value(lots: random.Random, depth: int) -> Any:
    kinds = ("text", "whole", "fraction", "literal") + (("list", "object") * 2 if depth else ())
    match lots.choice(kinds):
        case "text":
            return "".join(chr(lots.choice((lots.randrange(0x80), lots.randrange(0xD800)))) for _ in range(5))
        case "whole":
            return lots.choice((0, -1, 2**53 - 1, -(2**53) + 1, lots.randrange(10**6)))
        case "fraction":
            return lots.choice((0.0, 4.0, 1e21, 0.1, -lots.random()))
        case "literal":
            return lots.choice((None, True, False))
        case "list":
            return [any_value(lots, depth - 1) for _ in range(lots.randrange(4))]
        case _:
            names = ("b", "a", "\x7f", "\u00e9", "\U0001f600", "\ufb33", "", "a b", '"')
            return {lots.choice(names): any_value(lots, depth - 1) for _ in range(lots.randrange(4))}


def test_the_order_of_a_list_is_part_of_its_digest() -> None:
    assert digest([1, 2]) != digest([2, 1])


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0), (100, 1e2), (0, 0.0)])
def test_a_number_has_one_digest_however_it_is_written(one: float, other: float) -> None:
    assert digest({"cents": one}) == digest({"cents": other})


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, True), (0, None), ("", None), (4000, 4001)])
def test_values_that_mean_something_else_have_another_digest(one: Any, other: Any) -> None:
    assert digest({"cents": one}) != digest({"cents": other})


def test_composed_and_decomposed_letters_are_different_text() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert digest(composed) != digest(decomposed)


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**63, 10**40])
def test_an_integer_that_other_readers_would_round_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        canonical_json({"cents": number})


def test_the_largest_exact_integers_are_taken() -> None:
    assert canonical_json([2**53 - 1, -(2**53) + 1]) == b"[9007199254740991,-9007199254740991]"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"nan|inf"):
        canonical_json([number])


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        canonical_json({"name": "\ud83d"})


def test_a_model_is_named_by_its_fields_defaults_included() -> None:
    assert canonical_json(Box(width=1)) == b'{"height":2,"width":1}'
    assert digest(Box(width=1)) == digest(Box(width=1, height=2)) == digest({"width": 1, "height": 2})


def test_bytes_are_named_as_they_are() -> None:
    assert digest(b"{}") == "sha256:" + hashlib.sha256(b"{}").hexdigest()
    assert digest(b'{ "a":1}') != digest({"a": 1})


def test_an_action_has_another_digest_when_any_of_its_fields_differs() -> None:
    action = Action(server="payments", tool="issue_credit", pin="p", arguments={"cents": 1}, step="s", key="k")
    changes: list[dict[str, Any]] = [
        {"server": "other"},
        {"tool": "other"},
        {"pin": "other"},
        {"arguments": {"cents": 2}},
        {"step": "other"},
        {"key": "other"},
        {"purpose": "compensation"},
    ]
    assert {name for change in changes for name in change} == set(Action.model_fields)
    digests = {action.digest()} | {Action(**(action.model_dump() | change)).digest() for change in changes}
    assert len(digests) == 1 + len(changes)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '{"x":{"a":1,"b":2,"a":3}}', '[{"":1,"":2}]'])
def test_a_field_given_twice_is_refused_at_any_depth(text: str) -> None:
    with pytest.raises(ValueError, match="given twice"):
        parse_json(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}', "1e999", "[-1e999]"])
def test_json_that_no_number_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give a finite one"):
        parse_json(text)


def test_an_abyss_of_brackets_is_refused_like_any_other_nonsense() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 200_000)


@pytest.mark.parametrize("text", ["", "{", "{'a':1}", "[1,]", b"\xff\xfe\xfd"])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_what_was_written_canonically_is_read_back_the_same() -> None:
    value: Any = {"a": [1, 2.5, "é\u2028", None, True, {"": []}]}
    assert parse_json(canonical_json(value)) == value
