"""The table of promises: each is met or missed by the median of its rounds."""

import json
from pathlib import Path

import pytest

from benchmarks.promises import Promise, beside, of, promises, verdicts
from benchmarks.records import Record, Records
from benchmarks.report import promise_table, tables


def records(**cpu_ms: list[float]) -> Records:
    """Rounds of one loop, by contestant."""
    found = Records()
    for contestant, values in cpu_ms.items():
        for number, value in enumerate(values):
            found.add(Record("loops", contestant, {"turns": 5, "round": number}, {"cpu_ms_per_turn": value}))
    return found


CPU = Promise("CPU", beside("cpu_ms_per_turn", "loops", turns=5), limit=1.25, aim=1.0, unit="x")


@pytest.mark.parametrize(("ours", "says"), [([20.0, 25.0, 90.0], "met"), ([26.0, 26.0, 1.0], "missed")])
def test_a_promise_is_judged_by_the_ratio_of_medians(ours: list[float], says: str) -> None:
    verdict = CPU.verdict(records(interlock=ours, loop=[20.0, 20.0, 1.0]))
    assert verdict.says == says


def test_at_least_is_judged_the_other_way_round() -> None:
    fast = Promise("speed", of("cpu_ms_per_turn", "loops", turns=5), limit=10, at_least=True)
    assert [fast.verdict(records(interlock=[value])).says for value in (9.9, 10.0)] == ["missed", "met"]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert CPU.verdict(records(interlock=[1.0])).says == "not measured"
    assert {verdict.says for verdict in verdicts(Records())} == {"not measured"}


def test_the_table_shows_measured_and_wanted_beside_each_other() -> None:
    head, row = promise_table([CPU.verdict(records(interlock=[15.0], loop=[10.0]))])
    assert head.split() == ["promise", "measured", "wanted", "verdict"]
    assert row.split() == ["CPU", "1.50", "x", "at", "most", "1.25", "x", "(aim", "1)", "missed"]


def test_every_record_and_every_verdict_is_one_line_of_json(tmp_path: Path) -> None:
    found = records(interlock=[1.0], loop=[2.0])
    found.write(tmp_path / "out" / "lines.jsonl", [CPU.verdict(found).line()])
    lines = [json.loads(line) for line in (tmp_path / "out" / "lines.jsonl").read_text().splitlines()]
    assert [line.get("contestant") for line in lines] == ["interlock", "loop", None]
    assert (lines[-1]["measured"], lines[-1]["verdict"]) == (0.5, "met")


def test_both_contestants_and_every_promise_stand_in_the_tables() -> None:
    found = records(interlock=[1.0], loop=[2.0])
    shown = "\n".join(tables(found, verdicts(found)))
    assert all(promise.name in shown for promise in promises())
    assert "interlock turns=5" in shown
    assert "loop      turns=5" in shown
