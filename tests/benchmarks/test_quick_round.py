"""One small loop of the benchmark from end to end: real processes in production mode, every call recorded once."""

from pathlib import Path

from benchmarks.records import Records
from benchmarks.scenarios.clock import Clock
from benchmarks.scenarios.loops import Cell, measure_loops
from benchmarks.world.interlock import interlock
from benchmarks.world.outside import an_outside


async def test_a_small_loop_is_measured_and_its_records_are_counted(tmp_path: Path) -> None:
    records = Records()
    async with (
        an_outside(tmp_path / "outside", seed=1) as outside,
        interlock(tmp_path / "bench", outside) as contestant,
    ):
        await measure_loops([contestant], outside, records, Clock(minutes=2), [Cell(3, 1, 1)], seed=1)
    (record,) = records.of("loops", "interlock", turns=3)
    assert record.measured["requests"] == 3
    assert record.measured["history_events"] > 0
    assert record.measured["worker_cpu_s"] > 0
