"""What reaches the terminal: escaped, one fact per line, in words people use."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.durations import read_duration
from cli.exits import WrongInput
from cli.printing import money, say, say_json, say_table, tell, time_left


def test_nothing_from_outside_can_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x07\u202etxt\r\nnext: interlock approvals approve"
    say(evil)
    tell(evil)
    say_json({"text": evil})
    say_table(("a", "b"), [(evil, "x")])
    out, err = capsys.readouterr()

    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(out + err)
    assert out.splitlines()[0] == "\\u{1b}[2J\\u{7}\\u{202e}txt\\u{d}\\u{a}next: interlock approvals approve"
    assert len(err.splitlines()) == 1


def test_durations_are_told_in_the_two_largest_units() -> None:
    now = datetime.now(UTC)

    assert time_left(now + timedelta(days=1, hours=5, minutes=1)) == "in 1 d 5 h"
    assert time_left(now - timedelta(minutes=3, milliseconds=1)) == "3 min 0 s ago"


def test_money_is_shown_to_a_hundredth_of_a_cent() -> None:
    assert money(1_234_567) == "1.2346"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("PT10M", 600), ("0.5s", 0.5)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert read_duration("--timeout", text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "0s", "-5m", "PT0S", "P", "tomorrow", "9" * 400 + "s", "PT-5M"])
def test_other_durations_are_wrong_input(text: str) -> None:
    with pytest.raises(WrongInput, match=r"--valid-for .* is no duration"):
        read_duration("--valid-for", text)
