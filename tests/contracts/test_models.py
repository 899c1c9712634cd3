"""What every model keeps to, and the time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.model import Model, Moment, rfc3339
from contracts.tools import KeyDelivery, ToolDefinition

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class Appointment(Model):
    """Something at a time."""

    at: Moment


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs a time zone"):
        Appointment(at=datetime(2026, 11, 20, 9))
    with pytest.raises(ValidationError, match="needs a time zone"):
        MOMENT.validate_json('"2026-11-20T09:00:00"')


def test_a_moment_is_kept_in_utc_and_to_the_millisecond() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    kept = Appointment(at=datetime(2026, 11, 20, 14, 30, 0, 123_999, tzinfo=there)).at
    assert kept == datetime(2026, 11, 20, 9, 0, 0, 123_000, tzinfo=UTC)
    assert kept.tzinfo is UTC


def test_a_moment_has_one_written_form() -> None:
    written = [Appointment(at=MOMENT.validate_json(text)).model_dump_json() for text in _SAME_MOMENT]
    assert set(written) == {'{"at":"2026-11-20T09:00:00.000Z"}'}
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, 6_789, tzinfo=UTC)) == "2026-01-02T03:04:05.006Z"


_SAME_MOMENT = (
    '"2026-11-20T09:00:00Z"',
    '"2026-11-20T09:00:00.000Z"',
    '"2026-11-20T09:00:00.000999Z"',
    '"2026-11-20T10:00:00+01:00"',
    '"2026-11-19T23:00:00-10:00"',
)


def test_a_moment_survives_being_written_and_read() -> None:
    appointment = Appointment(at=datetime(2026, 11, 20, 9, 0, 0, 7_000, tzinfo=UTC))
    assert Appointment.model_validate_json(appointment.model_dump_json()) == appointment


def test_a_model_takes_no_field_it_does_not_know_and_does_not_change() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Appointment.model_validate({"at": "2026-11-20T09:00:00Z", "where": "here"})
    appointment = Appointment(at=datetime(2026, 11, 20, 9, tzinfo=UTC))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(appointment, "at", appointment.at)  # noqa: B010 - the type checker refuses it, too


def test_a_pin_names_what_a_server_publishes_and_not_what_the_operator_says_of_it() -> None:
    published = ToolDefinition(server="s", name="t", description="d", input_schema={}, effect_class="opaque")
    overruled = {"effect_class": "keyed", "key": KeyDelivery(argument="k"), "timeout_seconds": 5.0}
    assert ToolDefinition(**(published.model_dump() | overruled)).pin() == published.pin()
    for change in ({"description": "e"}, {"input_schema": {"type": "object"}}, {"annotations": {"title": "T"}}):
        assert ToolDefinition(**(published.model_dump() | change)).pin() != published.pin()
