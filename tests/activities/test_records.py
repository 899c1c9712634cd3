"""Start records, requests to people, and what people's commands read: kept by run, whoever asks."""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.people import PeopleActivities
from activities.reads import ContentQuery, InboxQuery, ReadActivities, RequestQuery
from activities.starts import StartActivities
from contracts.canonical import canonical_json, digest
from contracts.decisions import DisplayLine, RequestKind, RequestToClose, RequestToOpen, Verdict
from contracts.policy import Obligation
from contracts.runs import CaseLookup, RunEnded, RunToRegister, StartStatement
from contracts.tools import Action
from tests.activities.bench import NINE, RUN, Bench, a_bench
from tests.doubles import RecordingToolbox

OBLIGATION = Obligation(role="finance_manager", within=timedelta(hours=48), rule_id="refund-over-50")
REQUEST: dict[str, JsonValue] = {"order_id": "A-17"}
ACTION = Action(server="payments", tool="issue_credit", pin="p", arguments={"cents": 9000}, step="issue", key="k")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A store in which Rita has asked for a refund of A-17."""
    async with a_bench(RecordingToolbox({})) as opened:
        await opened.store.contents.put(canonical_json(ACTION))
        yield opened


def people(bench: Bench) -> PeopleActivities:
    """What asks people."""
    return bench.bound(PeopleActivities)


def starts(bench: Bench) -> StartActivities:
    """What registers runs."""
    return bench.bound(StartActivities)


def reads(bench: Bench) -> ReadActivities:
    """What people's commands read."""
    return bench.bound(ReadActivities)


def wanted(**changes: Any) -> RunToRegister:
    """Rita asks once more."""
    start = StartStatement(
        requester="rita", automation="refund", business_key="A-17", input_digest=digest(REQUEST), issued_at=NINE
    )
    return RunToRegister(start=start.model_copy(update=changes), request=dict(REQUEST))


def question(**changes: Any) -> RequestToOpen:
    """May this be credited?"""
    request = RequestToOpen(
        request_id="refund/A-17#1",
        kind=RequestKind.APPROVAL,
        automation="refund",
        state="awaiting_approval",
        title="Credit 90.00 EUR?",
        action_digest=ACTION.digest(),
        obligations=(OBLIGATION,),
        options=(Verdict.APPROVE, Verdict.REJECT, Verdict.RETURN),
        asked_at=NINE,
        context=(DisplayLine(label="Claude advises", text="90.00 EUR: broken"),),
    )
    return request.model_copy(update=changes)


async def test_registering_the_same_run_again_changes_nothing(bench: Bench) -> None:
    registered = await bench.environment().run(starts(bench).register_run, wanted())
    again = await bench.environment().run(starts(bench).register_run, wanted())
    assert registered == again
    assert registered.refused == ""
    assert "rita" not in registered.requester_pseudonym


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input_digest": digest({"order_id": "A-18"})}, "names another input than this one"),
        ({"automation": "errand"}, "is for 'errand', not for 'refund'"),
    ],
)
async def test_a_start_statement_for_something_else_registers_nothing(
    bench: Bench, changes: dict[str, str], said: str
) -> None:
    registered = await bench.environment("run-9").run(starts(bench).register_run, wanted(**changes))
    assert said in registered.refused
    assert await bench.store.starts.find(RUN.model_copy(update={"first_run_id": "run-9"})) is None


async def test_a_business_case_is_begun_once_and_anew_only_with_a_reason(bench: Bench) -> None:
    taken = await bench.environment("run-9").run(starts(bench).register_run, wanted())
    assert "'A-17' was started before: refund/A-17 (run-1); start it anew with --again REASON" in taken.refused
    namesake = await bench.environment("run-9").run(starts(bench).register_run, wanted(again="the first was lost"))
    assert namesake.refused == "another run was called 'refund/A-17'; start it anew with --again REASON"
    second = bench.environment("run-9")
    second.info = dataclasses.replace(second.info, workflow_id="refund/A-17~2")
    assert (await second.run(starts(bench).register_run, wanted(again="the first was lost"))).refused == ""


async def test_a_start_past_the_load_is_refused_in_words_and_said_to_those_who_ask_before(bench: Bench) -> None:
    bench.most_active_runs = 1
    said = (
        "1 runs are under way, which is the most this deployment takes (INTERLOCK_MOST_ACTIVE_RUNS); "
        "start it again later"
    )
    other = bench.environment("run-9")
    other.info = dataclasses.replace(other.info, workflow_id="refund/A-18")
    lookup = CaseLookup(automation="refund", business_key="A-18", request=dict(REQUEST))

    assert (await bench.environment().run(starts(bench).register_run, wanted())).refused == "", "it is registered"
    assert (await other.run(starts(bench).register_run, wanted(business_key="A-18"))).refused == said
    assert (await bench.environment().run(reads(bench).look_up_case, lookup)).no_room == said
    bench.most_active_runs = 2
    assert (await bench.environment().run(reads(bench).look_up_case, lookup)).no_room == ""
    assert (await other.run(starts(bench).register_run, wanted(business_key="A-18"))).refused == ""


async def test_an_ending_is_found_by_its_business_key(bench: Bench) -> None:
    await bench.environment().run(starts(bench).record_ending, RunEnded(state="refunded"))
    lookup = CaseLookup(automation="refund", business_key="A-17", request=dict(REQUEST))
    known = await bench.environment().run(reads(bench).look_up_case, lookup)
    assert (known.workflow_id, known.ending, known.same_input) == ("refund/A-17", "refunded", True)
    other = await bench.environment().run(reads(bench).look_up_case, lookup.model_copy(update={"request": {"x": 1}}))
    assert (other.same_input, other.differing_fields) == (False, ("order_id", "x"))


async def test_what_people_are_shown_is_stored_under_the_digest_they_decide_on(bench: Bench) -> None:
    opened = await bench.environment().run(people(bench).open_request, question())
    content = await bench.store.contents.get(opened.display_digest)
    assert content is not None
    shown = json.loads(content)
    assert shown["requester"] == "rita"
    assert shown["action"] == canonical_json(ACTION).decode()
    assert shown["request"]["context"] == [{"label": "Claude advises", "text": "90.00 EUR: broken"}]


@pytest.mark.parametrize(
    "content", [None, b"not an action", b'{"tool":"issue_credit"}', b'{"reason": "an escalation"}']
)
async def test_nobody_is_asked_to_sign_what_they_cannot_be_shown(bench: Bench, content: bytes | None) -> None:
    """A false run may name the digest of a call of which the gate has not heard yet, or of something else."""
    about = await bench.store.contents.put(content) if content else digest(b"never stored")
    with pytest.raises(ApplicationError, match="nobody is asked to sign what they cannot be shown") as refused:
        await bench.environment().run(people(bench).open_request, question(action_digest=about))
    assert refused.value.non_retryable
    assert await bench.store.inbox.waiting(10) == ()


@pytest.mark.parametrize(
    "request_id", ["refund/A-17#1#1", "refund/A-17#", "refund/A-17#x", "refund/A-17#01", "refund/A-1"]
)
async def test_a_request_is_named_after_its_run_and_a_number(bench: Bench, request_id: str) -> None:
    with pytest.raises(ApplicationError, match="a run opens its own"):
        await bench.environment().run(people(bench).open_request, question(request_id=request_id))


async def test_a_run_opens_requests_of_its_own_alone_and_only_once_it_is_registered(bench: Bench) -> None:
    opening = people(bench).open_request
    with pytest.raises(ApplicationError, match="is no request of 'refund/A-17'; a run opens its own") as foreign:
        await bench.environment().run(opening, question(request_id="refund/A-18#1"))
    with pytest.raises(ApplicationError, match="no start record; nobody is asked") as unregistered:
        await bench.environment("run-9").run(opening, question())
    assert foreign.value.non_retryable
    assert unregistered.value.non_retryable
    assert await bench.store.inbox.waiting(10) == ()


async def test_the_automation_of_a_request_is_the_registered_one_whatever_the_caller_says(bench: Bench) -> None:
    await bench.environment().run(people(bench).open_request, question(automation="errand"))
    (entry,) = await bench.store.inbox.waiting(10)
    assert entry.automation == "refund"


async def test_asking_the_same_again_opens_nothing_new(bench: Bench) -> None:
    first = await bench.environment().run(people(bench).open_request, question())
    again = await bench.environment().run(people(bench).open_request, question())
    assert again == first
    page = await bench.environment().run(reads(bench).waiting_requests, InboxQuery())
    assert [(entry.request_id, entry.title, entry.requester) for entry in page.requests] == [
        ("refund/A-17#1", "Credit 90.00 EUR?", "rita")
    ]


async def test_asking_something_else_under_a_number_takes_the_next_one_and_the_old_question_is_closed(
    bench: Bench,
) -> None:
    await bench.environment().run(people(bench).open_request, question())
    another = await bench.environment().run(people(bench).open_request, question(title="Credit 9000.00 EUR?"))
    entry = await bench.store.inbox.find("refund/A-17#1")
    assert another.used
    assert entry is not None
    assert (entry.title, entry.outcome) == ("Credit 90.00 EUR?", "orphaned")


async def test_a_number_that_was_answered_is_not_asked_again(bench: Bench) -> None:
    await bench.environment().run(people(bench).open_request, question())
    closing = RequestToClose(request_id="refund/A-17#1", outcome="approved", by="dana")
    await bench.environment().run(people(bench).close_request, closing)
    assert (await bench.environment().run(people(bench).open_request, question())).used
    entry = await bench.store.inbox.find("refund/A-17#1")
    assert entry is not None
    assert entry.outcome == "approved"


async def test_a_closed_request_leaves_the_inbox_and_can_still_be_read(bench: Bench) -> None:
    await bench.environment().run(people(bench).open_request, question())
    closing = RequestToClose(request_id="refund/A-17#1", outcome="approved", by="dana")
    await bench.environment().run(people(bench).close_request, closing)
    assert (await bench.environment().run(reads(bench).waiting_requests, InboxQuery())).requests == ()
    read = await bench.environment().run(reads(bench).show_request, RequestQuery(request_id="refund/A-17#1"))
    assert (read.entry.outcome, read.entry.by, read.deployment) == ("approved", "dana", bench.deployment)
    assert read.shown["requester"] == "rita"


async def test_what_is_not_there_is_said_once(bench: Bench) -> None:
    with pytest.raises(ApplicationError, match="no request 'refund/A-17#9'; `interlock approvals list`") as no_request:
        await bench.environment().run(reads(bench).show_request, RequestQuery(request_id="refund/A-17#9"))
    with pytest.raises(ApplicationError, match="nothing is stored under") as no_content:
        await bench.environment().run(reads(bench).read_content, ContentQuery(address=digest(b"never stored")))
    assert no_request.value.non_retryable
    assert no_content.value.non_retryable
