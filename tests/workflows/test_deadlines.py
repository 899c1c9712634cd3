"""Requests nobody answers: people are reminded, then the next role may decide too, then they expire; never a yes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import ApprovalRequest, Verdict
from contracts.wire import DATA_CONVERTER
from policies.engine import CedarRules
from tests.authority import Signer, roster_of
from tests.story import StoryRun
from tests.workflows.refund_world import SIGN_EVERY_CREDIT, Refund, a_refund, rules

pytestmark = pytest.mark.many

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RITA, DANA, DORA = Signer("rita"), Signer("dana", ("finance_manager",)), Signer("dora", ("finance_director",))
ROSTER = roster_of(RITA, DANA, DORA)


async def moves_to(refund: Refund, moment: datetime | None, more: timedelta = MINUTE) -> None:
    """The run's clock shows this moment, and a little more."""
    assert moment is not None
    await refund.story.fast_forward(refund.run, moment - await refund.run.now() + more)


async def handed_on(run: StoryRun) -> ApprovalRequest:
    """The request, once it is handed on."""
    view = await run.until(lambda seen: bool(seen.waiting_for) and seen.waiting_for[0].handed_on)
    return view.waiting_for[0]


async def reminded(run: StoryRun) -> ApprovalRequest:
    """The request, once people were reminded."""
    view = await run.until(lambda seen: bool(seen.waiting_for) and seen.waiting_for[0].remind_at is None)
    return view.waiting_for[0]


async def passed(refund: Refund) -> tuple[datetime | None, datetime | None]:
    """When the inbox says that the request was reminded of, and handed on."""
    entry = await refund.story.store.inbox.find(f"{refund.run.handle.id}#1")
    assert entry is not None
    return entry.reminded_at, entry.handed_on_at


async def timers(run: StoryRun) -> tuple[list[str], int]:
    """What the timers of its Temporal run say they are for, and how many ran at the same time."""
    going: set[int] = set()
    summaries, most = [], 0
    for event in (await run.handle.fetch_history()).events:
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            going.add(event.event_id)
            summaries.append(await summary_of(event))
        elif event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
            going.discard(event.timer_fired_event_attributes.started_event_id)
        elif event.event_type == EventType.EVENT_TYPE_TIMER_CANCELED:
            going.discard(event.timer_canceled_event_attributes.started_event_id)
        most = max(most, len(going))
    return summaries, most


async def summary_of(event: HistoryEvent) -> str:
    """As the Web UI shows it."""
    (summary,) = await DATA_CONVERTER.decode([event.user_metadata.summary], [str])
    return str(summary)


async def test_a_refund_nobody_answers_reminds_is_handed_on_and_expires_each_in_its_time(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000) as refund:
        asked = await refund.run.asked()
        await refund.story.fast_forward(refund.run, 23 * HOUR)
        assert await passed(refund) == (None, None)
        details = await refund.run.details()
        assert f"reminder: {asked.opened_at + 24 * HOUR:%Y-%m-%d %H:%M} UTC" in details
        assert f"handed on to finance\\_director: {asked.opened_at + 36 * HOUR:%Y-%m-%d %H:%M} UTC" in details

        await moves_to(refund, asked.remind_at)
        await reminded(refund.run)
        at, not_yet = await passed(refund)
        assert at is not None
        assert (asked.opened_at + 24 * HOUR <= at <= asked.opened_at + 25 * HOUR, not_yet) == (True, None)
        assert "- reminder:" not in await refund.run.details()

        await moves_to(refund, asked.hand_on_at)
        await handed_on(refund.run)
        _, at = await passed(refund)
        assert at is not None
        assert asked.opened_at + 36 * HOUR <= at <= asked.opened_at + 37 * HOUR
        assert "handed on: finance\\_director may decide as well" in await refund.run.details()

        await refund.story.fast_forward(refund.run, 11 * HOUR)
        assert (await refund.run.asked()).deadline == asked.opened_at + 48 * HOUR, "handing on gives no time"
        await moves_to(refund, asked.deadline)
        ending = await refund.run.ending()
        summaries, at_once = await timers(refund.run)

    assert (ending.state, ending.reason) == ("expired", "nobody decided in time")
    assert refund.toolbox.effects() == []
    title = "Credit 640.00 EUR for order A-17?"
    what = ("reminder", "handing on", "deadline")
    assert summaries == [f"waiting for people; then {each}: {title}" for each in what]
    assert at_once == 1


async def test_working_time_leaves_out_a_holiday(temporal: WorkflowEnvironment) -> None:
    annotated = '@within("P5D") @remind("P1D") @hand_on("P2D") @hand_on_to("finance_director") @calendar("shop")'
    rule = SIGN_EVERY_CREDIT.replace('@within("PT48H")', annotated)
    async with a_refund(temporal, 4000, policy=closed_in_four_days(rule)) as refund:
        asked = await refund.run.asked()
        day = timedelta(days=1)
        moments = (asked.remind_at, asked.hand_on_at, asked.deadline)
        assert moments == (asked.opened_at + day, asked.opened_at + 2 * day, asked.opened_at + 6 * day)
        await moves_to(refund, asked.hand_on_at)
        await handed_on(refund.run)
        await refund.story.fast_forward(refund.run, 4 * day - HOUR)
        assert (await refund.run.asked()).handed_on
        await moves_to(refund, asked.deadline)
        ending = await refund.run.ending()

    assert ending.state == "expired"


def closed_in_four_days(*texts: str) -> CedarRules:
    """These rules, and a shop that is open around the clock but for the fourth day from now."""
    closed = (datetime.now(UTC) + timedelta(days=4)).date()
    shop = f"""
        [calendars.shop]
        time_zone = "UTC"
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        from = "00:00"
        to = "24:00"
        holidays = ["{closed}"]
        """
    return CedarRules(dict(rules(*texts).files) | {"calendars.toml": shop})


async def test_the_next_role_decides_once_the_request_is_handed_on_and_not_before(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000, roster=ROSTER) as refund:
        asked = await refund.run.asked()
        early = DORA.signed(await refund.run.decision(Verdict.APPROVE))
        why = await refund.run.refused(early)
        await moves_to(refund, asked.hand_on_at)
        await handed_on(refund.run)
        decision = DORA.signed(await refund.run.decision(Verdict.APPROVE))
        receipt = await refund.run.sends(decision)
        ending = await refund.run.ending()

    assert why == "'dora' may decide as finance_director once the request is handed on, not before"
    assert receipt.outcome == "approved"
    assert ending.state == "refunded"
    assert refund.books.credits == [64000]


async def test_the_first_role_still_decides_after_the_request_was_handed_on(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000, roster=ROSTER) as refund:
        asked = await refund.run.asked()
        await moves_to(refund, asked.hand_on_at)
        await handed_on(refund.run)
        await refund.run.sends(DANA.signed(await refund.run.decision(Verdict.REJECT, note="too much")))
        ending = await refund.run.ending()

    assert (ending.state, ending.reason) == ("rejected", "rejected by dana: too much")


async def test_an_approval_that_was_counted_still_counts_after_reminder_and_handing_on(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 150_000, roster=ROSTER) as refund:
        asked = await refund.run.asked()
        await refund.run.sends(DANA.signed(await refund.run.decision(Verdict.APPROVE)))
        await moves_to(refund, asked.remind_at)
        await reminded(refund.run)
        await moves_to(refund, asked.hand_on_at)
        assert [given.approver for given in (await handed_on(refund.run)).approvals] == ["dana"]
        await refund.run.sends(DORA.signed(await refund.run.decision(Verdict.APPROVE)))
        ending = await refund.run.ending()

    assert ending.state == "refunded"


async def test_a_worker_that_was_away_for_days_lets_a_request_expire_without_reminding_anybody(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        await refund.story.fast_forward(refund.run, timedelta(days=30))
        ending = await refund.run.ending()

    assert ending.state == "expired"


async def test_reminder_and_handing_on_are_kept_by_a_run_that_continued_as_new(
    suggesting: WorkflowEnvironment,
) -> None:
    async with a_refund(suggesting, 64000) as refund:
        asked = await refund.run.asked()
        first = await continued(refund.run, "")
        await moves_to(refund, asked.remind_at)
        request = await reminded(refund.run)
        assert request.hand_on_at == asked.hand_on_at
        await junk(refund.run, 12)
        second = await continued(refund.run, first)
        await moves_to(refund, asked.hand_on_at)
        assert (await handed_on(refund.run)).deadline == asked.deadline
        await junk(refund.run, 12)
        await continued(refund.run, second)
        both = await passed(refund)
        await moves_to(refund, asked.deadline)
        ending = await refund.run.ending()

    assert None not in both
    assert ending.state == "expired"


async def continued(run: StoryRun, before: str) -> str:
    """Its Temporal run id, once it is another one than before."""
    await run.until(lambda view: bool(view.waiting_for))
    description = await run.handle.describe()
    assert description.run_id not in (before, run.handle.first_execution_run_id)
    return description.run_id


async def junk(run: StoryRun, count: int) -> None:
    """So much that comes in makes Temporal suggest to continue as new."""
    refused = (await run.view()).refused_count
    for number in range(count):
        await run.signals({"junk": number})
    await run.until(lambda view: view.refused_count == refused + count)


async def test_a_run_that_is_cancelled_while_people_are_reminded_ends(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        asked = await refund.run.asked()
        authority = refund.story.authority
        authority.asked.clear()
        authority.hold = asyncio.Event()
        await moves_to(refund, asked.remind_at, timedelta(seconds=1))  # clocks do not skip while an activity runs
        await asyncio.wait_for(authority.asked.wait(), 20)
        await refund.run.cancel()
        authority.hold.set()
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert refund.toolbox.effects() == []
