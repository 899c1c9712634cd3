"""Guests are checked out by real processes: from the command line, and though the worker is killed on the way."""

import pytest

from tests.end_to_end.processes import INTERLOCK, output_of, until, with_our_packages
from tests.end_to_end.setup import Setup
from tests.workflows.hotel_world import CLOSED, JONAS, books_in, reserved_in
from workers.embedded.plan import WORKER
from workers.settings import REPOSITORY

pytestmark = pytest.mark.many

REQUEST = REPOSITORY / "demo" / "requests" / "guest_checkout.json"


async def test_a_guest_is_checked_out_from_the_command_line_and_asking_again_tells_how_it_ended(setup: Setup) -> None:
    asking = (*INTERLOCK, "runs", "start", "guest_checkout", "--from", str(REQUEST), "--as", "rita", "--wait")
    address = ("--address", setup.planned.temporal.address)
    first, again = [await output_of(*asking, *address, environment=with_our_packages(setup.environ)) for _ in range(2)]

    assert "ended: checked_out" in first and "ended: checked_out" in again
    assert books_in(setup.folder.demo_data, "B-2041").captured_cents == CLOSED.captured_cents


async def test_a_stay_is_paid_once_though_the_worker_is_killed_when_the_card_was_just_charged(setup: Setup) -> None:
    with setup.answers_held() as release:
        run = await setup.start("guest_checkout", **JONAS)
        await until(lambda: reserved_in(setup.folder.demo_data, "B-2042") > 0, "the amount is reserved")
        await setup.kill(WORKER)
        release()
    await setup.start_programs(WORKER)

    assert await run.ending() == "checked_out"
    assert books_in(setup.folder.demo_data, "B-2042").captured_cents == JONAS["amount"]
    assert [sends for _, sends in setup.sends(run, "authorise")] == [2]
    assert setup.sends(run, "capture") == [("done", 1)]
