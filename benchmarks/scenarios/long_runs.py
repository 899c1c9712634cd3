"""Long runs of Interlock alone: a turn costs the same at turn 500 as at turn 5, and 2,000 turns come to their end."""

from benchmarks.goals import RECALLS, reading_of_turns
from benchmarks.measuring.histories import Turns, size_of
from benchmarks.records import Record, Records
from benchmarks.scenarios.work import done
from benchmarks.world.contestant import Contestant
from benchmarks.world.outside import Outside

KB = 1024
SHOWN_TURNS = (5, 50, 250, 500)
LONG_TURNS, LONGEST_TURNS = 500, 2000
SMALL_PAGE = 256


async def measure_long_runs(contestant: Contestant, outside: Outside, records: Records, quick: bool = False) -> None:
    """A run of 500 turns with 20 KB each, and one of 2,000 turns with little."""
    await _flat(contestant, outside, records, 60 if quick else LONG_TURNS)
    if not quick:
        await _longest(contestant, outside, records)


async def _flat(contestant: Contestant, outside: Outside, records: Records, turns: int) -> None:
    effort = await done(contestant, outside, [reading_of_turns("long-500", turns, 20 * KB)], 1, 420)
    seen = (await outside.take())["long-500"]
    await contestant.check_records((await outside.counts()).calls("long-"))
    run = effort.runs[0]
    cut = await Turns.read(contestant.client, run.id, run.first_run_id, contestant.asking)
    for turn in (turn for turn in SHOWN_TURNS if turn <= turns):
        size, request = cut.around(turn), seen[min(turn, len(seen)) - 1]
        measured: dict[str, float] = {
            "history_bytes": size.bytes,
            "history_events": size.events,
            "sent_bytes": request.sent,
        }
        records.add(Record("long", contestant.name, {"turn": turn}, measured))
    size = await size_of(contestant.client, run.id, run.first_run_id)
    whole: dict[str, float] = {
        "wall_s": effort.wall_seconds,
        "history_bytes": size.bytes,
        "history_events": size.events,
        "chain": size.chain,
        "largest_payload_bytes": cut.largest_payload,
        "requests": len(seen),
        "recalled": sum(turns > recall for recall in RECALLS),
        "cpu_ms_per_turn": effort.used.both / turns * 1000,
    }
    records.add(Record("long", contestant.name, {"turns": turns}, whole))


async def _longest(contestant: Contestant, outside: Outside, records: Records) -> None:
    before = sum(contestant.processes.memory())
    goal = reading_of_turns("long-2000", LONGEST_TURNS - len(RECALLS), SMALL_PAGE)  # asking again takes a turn each
    effort = await done(contestant, outside, [goal], 1, 600)
    await outside.take()
    await contestant.check_records((await outside.counts()).calls("long-"))
    run = effort.runs[0]
    size = await size_of(contestant.client, run.id, run.first_run_id)
    measured = {
        "wall_s": effort.wall_seconds,
        "cpu_ms_per_turn": effort.used.both / LONGEST_TURNS * 1000,
        "history_bytes": size.bytes,
        "history_events": size.events,
        "chain": size.chain,
        "worker_memory_before_mb": before / 1e6,
        "worker_memory_after_mb": sum(contestant.processes.memory()) / 1e6,
    }
    records.add(Record("long", contestant.name, {"turns": LONGEST_TURNS}, measured))
