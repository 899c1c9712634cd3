"""Tell the long runs on a server of their own, and say what they cost: `python -m tests.long`; some minutes."""

import asyncio
import os
import sys
from collections.abc import Iterator
from datetime import timedelta

from temporalio.testing import WorkflowEnvironment

from contracts.wire import DATA_CONVERTER
from tests.long.errands import Told, an_errand_of
from tests.long.promises import broken_by, broken_by_waiting
from tests.long.waiting import an_escalation_unanswered_for
from workers.embedded.temporal_server import server_arguments, temporal_binary

LONGEST = timedelta(minutes=30)


def said_of(told: Told) -> Iterator[str]:
    """The figures of an errand."""
    turns = told.growth.turns
    for number in (5, len(turns) // 2, len(turns) - 2):
        turn = turns[number]
        kinds = ", ".join(f"{kind} {size}" for kind, size in turn.by_kind().most_common())
        yield f"  turn {number}: {len(turn.events)} events, {turn.size_bytes} bytes ({kinds})"
    continued = len(told.growth.histories) - 1
    yield f"  continued as new {continued} times; largest payload {told.growth.largest_payload} bytes"


async def main() -> int:
    """Exit code 0 when everything is as promised."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=list(server_arguments()),
        data_converter=DATA_CONVERTER,
    )
    problems: list[str] = []
    async with environment:
        for turns, result_bytes in ((500, 20_000), (2000, 1000)):
            told = await an_errand_of(environment, turns, result_bytes, LONGEST)
            say(f"an errand of {turns} turns with results of {result_bytes} bytes", *said_of(told))
            problems += broken_by(told, turns)
        waited = await an_escalation_unanswered_for(environment, 400)
        events = sum(len(history) for history in waited.growth.histories)
        say(f"400 days without an answer: {waited.growth.timers} timers, {events} events")
        problems += broken_by_waiting(waited)
    say(*(f"NOT AS PROMISED: {problem}" for problem in problems))
    return 1 if problems else 0


def say(*lines: str) -> None:
    """Some lines, at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    status = asyncio.run(main())
    os._exit(status)  # the SDK's runtime may crash an exiting interpreter
