"""Asking people: when a request reminds, is handed on and is over, and who is told of it, in the same transaction."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.inbox import InboxEntry
from activities.notices import Route
from activities.people import PeopleActivities
from contracts.canonical import canonical_json
from contracts.decisions import (
    APPROVAL_VERDICTS,
    OpenedRequest,
    RequestEvent,
    RequestKind,
    RequestToClose,
    RequestToOpen,
    RequestToPass,
)
from contracts.policy import Obligation
from contracts.tools import Action
from policies.engine import CedarRules
from tests.activities.bench import NINE, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox

HOUR = timedelta(hours=1)
ID = "refund/A-17#1"
CALENDARS = """
[calendars.office]
time_zone = "Europe/Berlin"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "09:00"
to = "17:00"
"""
ACTION = Action(server="payments", tool="issue_credit", pin="p", arguments={"cents": 9000}, step="issue", key="k")
MAIL = Route(channel="mail", personal=True)
MANAGER = Signer("dana", ("finance_manager",), mail="dana@example.com")
DIRECTOR = Signer("dora", ("finance_director",), mail="dora@example.com")
REQUESTER = Signer("rita", mail="rita@example.com")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Rita has asked for a refund; a manager and a director are told of requests by mail; a Friday at nine UTC."""
    async with a_bench(RecordingToolbox({}), routes=(MAIL,)) as opened:
        permits = '@id("anything") permit(principal, action, resource);'
        opened.policy = CedarRules({"rules.cedar": permits, "calendars.toml": CALENDARS})
        opened.authority.people = roster_of(MANAGER, DIRECTOR, REQUESTER)
        await opened.store.contents.put(canonical_json(ACTION))
        yield opened


def demand(hours: int, role: str = "finance_manager", **more: Any) -> Obligation:
    """A signature of this role within so many hours."""
    return Obligation(role=role, within=hours * HOUR, rule_id=f"{role}-within-{hours}", **more)


def handed_on(hours: int = 48, calendar: str = "") -> Obligation:
    """A signature of a manager, who is reminded after 24 hours; after 36 a director may give it."""
    return demand(hours, remind=24 * HOUR, hand_on=36 * HOUR, hand_on_to="finance_director", calendar=calendar)


async def opens(bench: Bench, *obligations: Obligation) -> OpenedRequest:
    """The run asks."""
    request = RequestToOpen(
        request_id=ID,
        kind=RequestKind.APPROVAL,
        automation="refund",
        state="awaiting_approval",
        title="Credit 90.00 EUR?",
        action_digest=ACTION.digest(),
        obligations=obligations,
        options=APPROVAL_VERDICTS,
        asked_at=NINE,
        context=(),
    )
    return await bench.environment().run(bench.bound(PeopleActivities).open_request, request)


async def passes(bench: Bench, event: RequestEvent, run_id: str = "run-1") -> None:
    """Its time has come."""
    passing = RequestToPass(request_id=ID, event=event)
    await bench.environment(run_id).run(bench.bound(PeopleActivities).pass_request, passing)


async def closes(bench: Bench, outcome: str, by: str = "") -> None:
    """It is over."""
    closing = RequestToClose(request_id=ID, outcome=outcome, by=by)
    await bench.environment().run(bench.bound(PeopleActivities).close_request, closing)


async def listed(bench: Bench) -> InboxEntry:
    """As the inbox has it."""
    entry = await bench.store.inbox.find(ID)
    assert entry is not None
    return entry


async def told(bench: Bench) -> list[tuple[str, str]]:
    """Who is to be told what."""
    rows = await bench.store.outbox.waiting(50)
    return sorted((row.notice.event.value, row.notice.recipient) for row in rows)


def utc(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def test_the_moments_of_a_request_are_counted_from_when_it_was_asked(bench: Bench) -> None:
    bench.clock.forward(timedelta(minutes=10))
    opened = await opens(bench, handed_on())
    assert (opened.remind_at, opened.hand_on_at, opened.deadline) == (
        NINE + 24 * HOUR,
        NINE + 36 * HOUR,
        NINE + 48 * HOUR,
    )
    entry = await listed(bench)
    assert (entry.remind_at, entry.hand_on_at, entry.deadline) == (
        opened.remind_at,
        opened.hand_on_at,
        opened.deadline,
    )


async def test_working_time_is_that_of_the_calendar_in_force(bench: Bench) -> None:
    opened = await opens(bench, handed_on(calendar="office"))
    assert opened.remind_at == utc("2026-11-25T09:00"), "three working days of eight hours, over a weekend"
    assert opened.hand_on_at == utc("2026-11-26T13:00")
    assert opened.deadline == utc("2026-11-30T09:00")


async def test_of_several_demands_the_nearest_moment_of_each_kind_counts(bench: Bench) -> None:
    opened = await opens(bench, handed_on(), demand(30, "risk_officer", remind=6 * HOUR), demand(40, "auditor"))
    assert (opened.remind_at, opened.hand_on_at, opened.deadline) == (
        NINE + 6 * HOUR,
        NINE + 36 * HOUR,
        NINE + 30 * HOUR,
    )


async def test_without_annotations_nobody_is_reminded_and_nothing_is_handed_on(bench: Bench) -> None:
    opened = await opens(bench, demand(48))
    assert (opened.remind_at, opened.hand_on_at) == (None, None)


async def test_a_request_asked_again_keeps_its_moments_whatever_the_calendars_say_by_then(bench: Bench) -> None:
    first = await opens(bench, handed_on(calendar="office"))
    bench.policy = CedarRules({"rules.cedar": bench.policy.files["rules.cedar"]})
    assert await opens(bench, handed_on(calendar="office")) == first


@pytest.mark.parametrize(
    ("calendar", "hours", "said"),
    [("warehouse", 48, "no calendar 'warehouse' is declared"), ("office", 99_999, "not over within ten years")],
)
async def test_a_deadline_nobody_can_compute_is_refused_until_the_policy_is_corrected(
    bench: Bench, calendar: str, hours: int, said: str
) -> None:
    with pytest.raises(ApplicationError, match=said) as refused:
        await opens(bench, handed_on(hours, calendar))
    assert not refused.value.non_retryable
    assert await bench.store.inbox.find(ID) is None
    assert await told(bench) == []


async def test_while_nothing_is_in_force_nobody_is_asked_and_the_run_tries_again(bench: Bench) -> None:
    bench.authority.missing = NothingInForce("no policy is in force")
    with pytest.raises(ApplicationError, match="no policy is in force") as refused:
        await opens(bench, handed_on())
    assert not refused.value.non_retryable
    assert await bench.store.inbox.find(ID) is None
    bench.authority.missing = None
    await opens(bench, handed_on())
    assert (await listed(bench)).closed_at is None


async def test_people_are_told_of_each_thing_that_happens_to_a_request_once(bench: Bench) -> None:
    for _ in range(2):
        await opens(bench, handed_on())
    assert await told(bench) == [("request", "dana")]
    for _ in range(2):
        bench.clock.forward(24 * HOUR)
        await passes(bench, RequestEvent.REMINDED)
        await passes(bench, RequestEvent.HANDED_ON)
    assert await told(bench) == [("handed_on", "dora"), ("reminder", "dana"), ("request", "dana")]
    entry = await listed(bench)
    assert (entry.reminded_at, entry.handed_on_at) == (NINE + 24 * HOUR, NINE + 24 * HOUR)
    for _ in range(2):
        await closes(bench, "approved", "dora")
    assert ("decided", "rita") in await told(bench)
    assert len(await told(bench)) == 4


async def test_that_nobody_answered_is_told_to_those_who_were_asked_and_to_whoever_asked(bench: Bench) -> None:
    await opens(bench, handed_on())
    await closes(bench, "expired")
    assert [one for one in await told(bench) if one[0] == "expired"] == [("expired", "dana"), ("expired", "rita")]


async def test_nobody_is_reminded_of_a_request_that_is_over(bench: Bench) -> None:
    await opens(bench, handed_on())
    await closes(bench, "rejected", "dana")
    before = await told(bench)
    await passes(bench, RequestEvent.REMINDED)
    assert await told(bench) == before
    assert (await listed(bench)).reminded_at is None


async def test_no_other_run_passes_on_or_closes_a_request(bench: Bench) -> None:
    await opens(bench, handed_on())
    await passes(bench, RequestEvent.HANDED_ON, run_id="run-9")
    closing = RequestToClose(request_id=ID, outcome="approved", by="mallory")
    await bench.environment("run-9").run(bench.bound(PeopleActivities).close_request, closing)
    entry = await listed(bench)
    assert (entry.handed_on_at, entry.closed_at) == (None, None)
