"""Onboardings, told as stories: papers, letters in working time, tickets, accounts people sign for, a first day."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from contracts.runs import RunView
from tests.demo_servers import loses_the_answer, says_no
from tests.workflows.onboarding_world import (
    AMARA,
    DAY,
    KINDS,
    LENA,
    MINUTE,
    NGOZI,
    TOMASZ,
    Books,
    an_onboarding,
    closed_on,
    rules,
)
from workflows.catalog import Catalog
from workflows.employee_onboarding.papers import MOST_REMINDERS, REMIND_AFTER

pytestmark = pytest.mark.many

EFFECTS = ["tickets.create_ticket"] * 2 + ["identity.create_account"] * 2
ALL_MISSING = "bank_details,contract,identity,tax_form"


async def test_somebody_whose_papers_stand_is_asked_for_none_and_onboarded_on_the_first_day(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        requests = [await onboarding.run.asked(number) for number in (1, 2)]
        await onboarding.sign(1, 2)
        await onboarding.run.in_state("awaiting_first_day")
        details = await onboarding.run.details()
        await onboarding.first_day_comes()
        ending = await onboarding.run.ending()
        states, books = await onboarding.run.states(), onboarding.books()
        day = onboarding.archive.find_person("E-2043").first_day

    assert (ending.state, ending.reason) == (
        "onboarded",
        f"Ngozi Okafor has begun on {day}, with accounts in mail, payroll",
    )
    waited = ["awaiting_approval", "provisioning", "awaiting_first_day", "verifying", "onboarded"]
    assert states == ["collecting", "ordering", "ruling", *waited]
    assert [request.title for request in requests] == [
        "Create the mail account of Ngozi Okafor, financial controller?",
        "Create the payroll account of Ngozi Okafor, financial controller?",
    ]
    assert [[each.role for each in request.obligations] for request in requests] == [["line_manager"]] * 2
    assert onboarding.company.effects() == EFFECTS
    assert books == Books(open_tickets=2, active_accounts=2)
    assert "bank details DOC-1006" in details.replace("\\", "")


async def test_only_what_is_missing_is_asked_for_and_what_comes_is_taken(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, TOMASZ) as onboarding:
        await onboarding.letter(1)
        receipt = await onboarding.delivers(onboarding.hand_in("tax_form"))
        await onboarding.hands_in("bank_details")
        await onboarding.run.asked(2)
        view, books = await onboarding.run.view(), onboarding.books()

    assert (receipt.outcome, receipt.message) == ("taken", "DOC-1007 is taken; still missing: bank details")
    assert view.state == "awaiting_approval", "nothing else was waited for"
    assert books == Books(open_tickets=2, letters=("bank_details,tax_form",))
    payroll = onboarding.company.arguments_of("people_records.find_paper")
    assert [each["reference"] for each in payroll] == ["DOC-1007", "DOC-1008"]


async def test_a_payroll_account_names_where_the_bank_details_stand(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await onboarding.sign(1, 2)
        await onboarding.run.in_state("awaiting_first_day")
        told = onboarding.company.arguments_of("identity.create_account")

    assert [(each["system"], each["bank_details"]) for each in told] == [("mail", ""), ("payroll", "DOC-1006")]


async def test_a_namesake_gets_a_name_of_her_own(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, LENA | {"accounts": ["mail"]}, papers=KINDS) as onboarding:
        await onboarding.sign(1)
        await onboarding.run.in_state("awaiting_first_day")
        found = await onboarding.company.says("identity.accounts_of", employee_id="E-2041")

    assert [account["name"] for account in found["accounts"]] == ["lena.hoffmann2"]


# Papers as they are delivered.


async def test_a_paper_that_is_delivered_twice_counts_once(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal) as onboarding:
        await onboarding.letter(1)
        contract = onboarding.hand_in("contract")
        outcomes = [(await onboarding.delivers(contract)).outcome for _ in range(3)]
        await onboarding.run.handle.signal("deliver", contract)
        view = await onboarding.run.until(lambda view: view.facts["missing"] == "identity, tax form, bank details")

    assert outcomes == ["taken", "known", "known"]
    assert (view.state, view.facts["papers"]) == ("collecting", "contract DOC-1007")
    assert onboarding.company.called.count("people_records.find_paper") == 1, "known ones are not looked for again"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reference": "DOC-9999"}, "no paper 'DOC-9999' stands in the records of E-2041; store it first"),
        ({"reference": "DOC-1001"}, "no paper 'DOC-1001' stands in the records of E-2041; store it first"),
        ({"digest": "sha256:" + "0" * 64}, "in the records, not sha256:000000000000...; store the paper anew"),
        ({"kind": "identity"}, "DOC-1007 is a contract, not a identity; deliver it as what it is"),
        ({"kind": "diploma"}, "kind is 'diploma'; this run takes: contract, identity, tax_form, bank_details, withdr"),
    ],
    ids=["unknown", "another person's", "another content", "another kind", "a kind nobody wants"],
)
async def test_a_delivery_that_is_not_true_is_refused_says_why_and_changes_nothing(
    temporal: WorkflowEnvironment, changes: dict[str, str], reason: str
) -> None:
    async with an_onboarding(temporal) as onboarding:
        await onboarding.letter(1)
        good = onboarding.hand_in("contract")
        why = await onboarding.refuses(good.model_copy(update=changes))
        missing = (await onboarding.run.view()).facts["missing"]
        receipt = await onboarding.delivers(good)

    assert reason in why
    assert missing == "contract, identity, tax form, bank details"
    assert receipt.outcome == "taken", "the run is none the worse for it"


async def test_a_paper_that_was_replaced_is_refused_and_the_newer_one_taken(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal) as onboarding:
        await onboarding.letter(1)
        first = onboarding.hand_in("contract", b"a draft")
        second = onboarding.hand_in("contract", b"the signed one")
        why = await onboarding.refuses(first)
        receipt = await onboarding.delivers(second)

    assert why == "DOC-1007 was replaced by DOC-1008; deliver that one"
    assert receipt.outcome == "taken"


MALFORMED: dict[str, tuple[tuple[Any, ...], str]] = {
    "no payload": ((), "the signal has no payload; send one JSON object with kind, reference and digest"),
    "a list": (([1, 2],), "the delivery does not have the shape of a delivery"),
    "a text": (("contract",), "the delivery does not have the shape of a delivery"),
    "null": ((None,), "the signal carries NoneType, not a JSON object with a delivery"),
    "no digest": (({"kind": "contract", "reference": "DOC-1"},), "digest: Field required"),
    "the content itself": (({"kind": "contract", "content": "JVBERi0="},), "shape of a delivery"),
    "3 KB": (("x" * 3000,), "the delivery has 3002 bytes; at most 2048 are read"),
}


async def test_malformed_deliveries_never_wedge_a_run(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal) as onboarding:
        await onboarding.letter(1)
        for number, (payloads, reason) in enumerate(MALFORMED.values(), start=1):
            await onboarding.run.handle.signal("deliver", args=payloads)
            view = await onboarding.run.until(lambda seen, number=number: _refused(seen) == number)  # type: ignore[misc]
            assert reason in str(view.facts["refused deliveries"])
            if payloads:
                await onboarding.refuses(payloads[0])
        await onboarding.hands_in(*KINDS)
        view = await onboarding.run.in_state("awaiting_approval")

    assert _refused(view) == len(MALFORMED), "what an update says no to leaves no trace"


def _refused(view: RunView) -> int:
    return int(str(view.facts.get("refused deliveries", "0;")).partition(";")[0])


async def test_a_paper_that_somebody_stored_and_told_nobody_of_is_found_before_anybody_is_reminded(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, papers=KINDS[:3]) as onboarding:
        view = await onboarding.letter(1)
        onboarding.hand_in("bank_details")
        await onboarding.moves_to(_next_letter(view))
        await onboarding.run.asked()
        books = onboarding.books()

    assert books.letters == ("bank_details",)


async def test_a_delivery_while_the_run_is_busy_is_noted_and_looked_at_later(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, held="tickets.create_ticket") as onboarding:
        await onboarding.company.until_called("tickets.create_ticket")
        receipt = await onboarding.withdraws()
        onboarding.company.hold["tickets.create_ticket"].set()
        ending = await onboarding.run.ending()
        books = onboarding.books()

    assert (receipt.outcome, receipt.message) == (
        "noted",
        "noted; the run is ordering, and looks at it when it waits again",
    )
    assert (ending.state, ending.reason) == ("withdrawn", "Ngozi Okafor has withdrawn: DOC-1007")
    assert books == Books()


# Letters, in working time.


def _next_letter(view: RunView) -> datetime:
    return datetime.fromisoformat(str(view.facts["next letter"])[:16]).replace(tzinfo=UTC)


async def test_a_reminder_that_would_fall_on_days_off_waits_for_the_next_morning(temporal: WorkflowEnvironment) -> None:
    due = (datetime.now(UTC) + REMIND_AFTER).date()
    calendars = closed_on(*(due + timedelta(days=days) for days in (-1, 0, 1)))
    async with an_onboarding(temporal, policy=rules(calendars=calendars)) as onboarding:
        view = await onboarding.letter(1)
        monday = datetime.combine(due + 2 * DAY, time(9), ZoneInfo("Europe/Berlin"))
        assert _next_letter(view) == monday
        await onboarding.moves_to(monday, -MINUTE)
        assert len(onboarding.books().letters) == 1
        await onboarding.moves_to(monday)
        await onboarding.letter(2)
        letters = onboarding.books().letters

    assert letters == (ALL_MISSING, ALL_MISSING)


async def test_after_so_many_reminders_human_resources_choose_and_may_ask_anew(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal) as onboarding:
        for number in range(1, MOST_REMINDERS + 2):
            view = await onboarding.letter(number)
            await onboarding.moves_to(_next_letter(view))
        request = await onboarding.run.asked()
        at_most = len(onboarding.books().letters)
        await onboarding.run.decides(Verdict.RETRY, by="helen")
        await onboarding.letter(1)
        letters = onboarding.books().letters
        await onboarding.hands_in(*KINDS)
        view = await onboarding.run.in_state("awaiting_approval")

    missing = "contract, identity, tax form, bank details"
    assert request.title == f"still missing after 3 reminders: {missing}"
    assert [each.role for each in request.obligations] == ["hr_manager"]
    assert (at_most, len(letters)) == (1 + MOST_REMINDERS, 2 + MOST_REMINDERS)
    assert [visit.state for visit in view.path][:3] == ["collecting", "escalated", "collecting"]


async def test_a_letter_that_could_not_be_written_is_written_later(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, TOMASZ, faults={"people_records.ask_for_papers": says_no}) as onboarding:
        await onboarding.run.until(lambda view: view.tries_again_at is not None)
        receipt = await onboarding.delivers(onboarding.hand_in("tax_form"))
        await onboarding.story.fast_forward(onboarding.run, timedelta(minutes=6))
        await onboarding.letter(1)
        letters = onboarding.books().letters

    assert receipt.outcome == "noted", "nobody waits for a run that pauses"
    assert letters == ("bank_details",), "what has come meanwhile is not asked for"


async def test_a_letter_whose_answer_was_lost_is_written_once(temporal: WorkflowEnvironment) -> None:
    faults = {"people_records.ask_for_papers": loses_the_answer, "tickets.create_ticket": loses_the_answer}
    async with an_onboarding(temporal, TOMASZ, faults=faults) as onboarding:
        await onboarding.letter(1)
        await onboarding.hands_in("tax_form", "bank_details")
        await onboarding.run.asked()
        books = onboarding.books()

    assert books == Books(open_tickets=2, letters=("bank_details,tax_form",))


def pauses_or_asks(view: RunView) -> bool:
    """It tries again later, or people are asked."""
    return view.tries_again_at is not None or view.state == "escalated"


async def test_a_calendar_that_nobody_has_declared_is_put_to_people(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, LENA | {"calendar": "osaka"}) as onboarding:
        while (await onboarding.run.until(pauses_or_asks)).state != "escalated":
            await onboarding.story.fast_forward(onboarding.run, timedelta(minutes=6))
        request = await onboarding.run.asked()
        letters = onboarding.books().letters

    assert "no calendar 'osaka' is declared; add [calendars.osaka] to calendars.toml" in request.title
    assert letters == (), "no letter leaves of which nobody knows when the next one does"


# The first day.


async def test_who_began_before_all_papers_were_there_is_not_waited_for(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, AMARA) as onboarding:
        await onboarding.letter(1)
        await onboarding.hands_in(*KINDS)
        await onboarding.sign(1, 2)
        ending = await onboarding.run.ending()

    assert ending.state == "onboarded"


async def test_a_first_day_that_is_moved_is_waited_for(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        archive = onboarding.archive
        await onboarding.sign(1, 2)
        await onboarding.run.in_state("awaiting_first_day")
        agreed = archive.find_person("E-2043").first_day
        archive.agree_first_day("E-2043", agreed + 7 * DAY)
        await onboarding.moves_to(datetime.combine(agreed, time(12), UTC))
        view = await onboarding.run.until(lambda view: view.facts["first day"] == str(agreed + 7 * DAY))
        looked = onboarding.company.called.count("people_records.find_person")
        await onboarding.first_day_comes()
        ending = await onboarding.run.ending()

    assert (view.state, looked) == ("awaiting_first_day", 5)
    assert (ending.state, f"has begun on {agreed + 7 * DAY}" in ending.reason) == ("onboarded", True)


# The input.


def test_an_account_is_asked_for_once_and_must_be_one_there_is() -> None:
    entry = Catalog.load().find("employee_onboarding")

    with pytest.raises(ValidationError, match="'mail' is named more than once; name each account once"):
        entry.request.model_validate(LENA | {"accounts": ["mail", "payroll", "mail"]})
    with pytest.raises(ValidationError, match="Input should be 'mail', 'payroll', 'source_code' or 'production'"):
        entry.request.model_validate(LENA | {"accounts": ["fax"]})
    assert entry.business_key(entry.request.model_validate(LENA)) == "E-2041"


def test_the_office_opens_on_the_first_day_by_its_own_time_zone() -> None:
    from policies.calendars import load_calendars, opening_on, working_moment

    berlin = load_calendars(closed_on(date(2027, 1, 4)))
    pacific = load_calendars(closed_on().replace("Europe/Berlin", "America/Los_Angeles"))

    assert opening_on(date(2027, 1, 4), "office", berlin) == datetime(2027, 1, 5, 8, tzinfo=UTC)
    assert opening_on(date(2027, 1, 4), "office", pacific) == datetime(2027, 1, 4, 17, tzinfo=UTC)
    noon, night = datetime(2027, 1, 5, 11, tzinfo=UTC), datetime(2027, 1, 5, 20, tzinfo=UTC)
    assert working_moment(noon, "office", berlin) == noon
    assert working_moment(night, "office", berlin) == datetime(2027, 1, 6, 8, tzinfo=UTC)
