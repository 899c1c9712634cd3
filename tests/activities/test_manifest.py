"""A changed tool in one line: which fields, how, escaped, and short whatever the server wrote."""

import random

import pytest
from pydantic import JsonValue

from activities.manifest import LONGEST_LINE, difference
from contracts.canonical import canonical_json
from contracts.tools import EffectClass, ToolDefinition

Form = dict[str, JsonValue]


def form(**published: JsonValue) -> Form:
    """A definition as its pin stands for it."""
    return {"server": "payments", "published": published}


def schema(**properties: JsonValue) -> JsonValue:
    """An input schema with these properties."""
    return {"type": "object", "properties": properties}


def test_what_was_added_removed_or_changed_is_named_by_its_place() -> None:
    old = form(description="Gives money back.", inputSchema=schema(cents={"type": "integer"}), title="Credit")
    new = form(
        description="Gives it back.", inputSchema=schema(cents={"type": "number"}, note={}), icons=[{"src": "x"}]
    )
    assert difference(old, new) == (
        'description changed from "Gives money back." to "Gives it back."; '
        'inputSchema.properties.cents.type changed from "integer" to "number"; '
        "inputSchema.properties.note added; title removed; icons added"
    )


def test_of_long_texts_the_part_that_differs_is_shown() -> None:
    old, new = form(description="x" * 500 + "old end"), form(description="x" * 500 + "new end, and more")
    assert difference(old, new) == 'description changed from …"xxxxxxxxold end" to …"xxxxxxxxnew end, and more"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": 1}, {"a": True}, "_meta.a changed from 1 to true"),
        ({"a": 1}, {"a": None}, "_meta.a changed from 1 to null"),
        ({}, {"a": None}, "_meta.a added"),
        ({"a": [1, 2]}, {"a": [1]}, "_meta.a[1] removed"),
        ({"a": [1]}, {"a": [2, 3]}, "_meta.a[0] changed from 1 to 2; _meta.a[1] added"),
        ({"a": []}, {"a": {}}, "_meta.a changed from [] to {}"),
        ({"a": 1}, {"a": 1.0}, ""),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, ""),
    ],
)
def test_values_are_compared_as_canonical_json_has_them(old: JsonValue, new: JsonValue, said: str) -> None:
    assert difference(form(_meta=old), form(_meta=new)) == said
    assert (canonical_json(old) == canonical_json(new)) == (said == "")


def test_nothing_from_the_server_can_act_on_a_terminal() -> None:
    evil = "\x1b[2J\u202e\r\n"
    told = difference(
        form(description="a", inputSchema=schema()), form(description=evil, inputSchema=schema(**{evil: {}}))
    )
    assert told.isprintable() and "\x1b" not in told and "\u202e" not in told
    assert "inputSchema.properties.\\u{1b}[2J\\u{202e}\\u{d}\\u{a} added" in told


def test_a_flood_of_changes_stays_one_line_that_counts_the_rest_and_tells_icons_last() -> None:
    flood: JsonValue = [{"src": str(number)} for number in range(1000)]
    told = difference(form(icons=[], inputSchema=schema()), form(icons=flood, inputSchema=schema(note={})))
    assert told.startswith("inputSchema.properties.note added; icons[0] added; ")
    assert len(told) <= LONGEST_LINE and told.endswith(" more")
    shown = told.count(" added")
    assert told.endswith(f"; and {1001 - shown} more")


def test_whatever_a_server_writes_the_line_is_short_and_printable() -> None:
    draw = random.Random(20261120)
    for _ in range(2000):
        text = "".join(
            chr(draw.choice([draw.randrange(0xD800), draw.randrange(128)])) for _ in range(draw.randint(1, 400))
        )
        told = difference(form(description="a", _meta={}), form(description=text + "b", _meta={text: text}))
        assert 0 < len(told) <= LONGEST_LINE and told.isprintable()


def test_a_definition_without_a_published_form_is_compared_by_its_fields() -> None:
    reading = ToolDefinition(
        server="orders", name="resources/read", input_schema={}, effect_class=EffectClass.READ, kind="resource"
    )
    changed = reading.model_copy(update={"description": "Reads."})
    assert difference(reading.as_published(), changed.as_published()) == 'description changed from "" to "Reads."'
    assert difference(reading.as_published(), reading.as_published()) == ""
