"""JSON pointers: how one value within a document is named."""

import re

import pytest
from pydantic import JsonValue

from contracts.pointers import POINTER, value_at

DOCUMENT: JsonValue = {"a": {"b": [10, {"c": 11}]}, "x/y": 12, "x~y": 13, "": 14, "none": None}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/a/b/0", 10), ("/a/b/1/c", 11), ("/x~1y", 12), ("/x~0y", 13), ("/", 14), ("/none", None), ("", DOCUMENT)],
)
def test_a_pointer_names_the_value_at_its_place(pointer: str, value: JsonValue) -> None:
    assert value_at(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/b", "/a/b/2", "/a/b/-1", "/a/b/²", "/a/b/x", "/a/b/0/c", "/x/y"])
def test_where_there_is_nothing_a_pointer_names_nothing(pointer: str) -> None:
    assert value_at(DOCUMENT, pointer) is None


@pytest.mark.parametrize(("text", "fits"), [("/a", True), ("/a/~0~1", True), ("", False), ("a", False), ("/~2", False)])
def test_a_pointer_to_a_value_within_is_told_from_other_text(text: str, fits: bool) -> None:
    assert bool(re.fullmatch(POINTER, text)) is fits
