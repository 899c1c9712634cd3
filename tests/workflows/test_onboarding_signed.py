"""Accounts of an onboarding are signed for by whoever holds the role by then, under the rules in force by then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import ApprovalRequest, Verdict
from tests.authority import Signer, roster_of
from tests.demo_servers import loses_the_answer, says_no
from tests.workflows.onboarding_world import KINDS, LENA, NGOZI, Books, Onboarding, an_onboarding, rules

pytestmark = pytest.mark.many

ONE_ACCOUNT = NGOZI | {"accounts": ["mail"]}
PRODUCTION = NGOZI | {"accounts": ["production", "mail"]}
ALSO_BY_SECURITY = """
@id("every-account-by-security") @approve("security_officer") @quorum("1") @within("PT24H")
forbid(principal, action == Action::"identity.create_account", resource)
  unless { context.approvals has security_officer && context.approvals.security_officer >= 1 };
"""
NO_NEW_ACCOUNTS = """
@id("no-new-accounts") forbid(principal, action == Action::"identity.create_account", resource);
"""
RITA, HELEN = Signer("rita"), Signer("helen", ("hr_manager",))
MARCUS, GRACE = Signer("marcus", ("line_manager",)), Signer("grace", ("line_manager",))
OMAR = Signer("omar", ("security_officer",))


def who_is_asked(request: ApprovalRequest) -> list[str]:
    """The roles, in order."""
    return sorted(each.role for each in request.obligations)


@asynccontextmanager
async def just_signed(onboarding: Onboarding, signing: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Somebody has just signed, and the run is about to read the records again; it goes on after the block."""
    read = onboarding.company.holding("people_records.find_person")
    signed = asyncio.ensure_future(signing())
    await onboarding.company.until_called("people_records.find_person")
    yield
    read.set()
    await signed


async def test_a_privileged_account_needs_two_roles(temporal: WorkflowEnvironment) -> None:
    roster = roster_of(RITA, MARCUS, GRACE, OMAR)
    async with an_onboarding(temporal, PRODUCTION, roster=roster) as onboarding:
        mail, production = [await onboarding.run.asked(number) for number in (1, 2)]
        await onboarding.run.sends(MARCUS.signed(await onboarding.run.decision(Verdict.APPROVE, number=1)))
        first = await onboarding.run.sends(MARCUS.signed(await onboarding.run.decision(Verdict.APPROVE, number=2)))
        why = await onboarding.run.refused(GRACE.signed(await onboarding.run.decision(Verdict.APPROVE, number=2)))
        created = onboarding.books().active_accounts
        await onboarding.run.sends(OMAR.signed(await onboarding.run.decision(Verdict.APPROVE, number=2)))
        await onboarding.run.in_state("awaiting_first_day")
        books = onboarding.books()

    assert (who_is_asked(mail), who_is_asked(production)) == (["line_manager"], ["line_manager", "security_officer"])
    assert first.outcome == "counted" and "fills no place of the quorum" in why
    assert (created, books.active_accounts) == (0, 2)


async def test_rules_that_come_into_force_while_papers_are_collected_hold_for_what_is_asked_later(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, LENA | {"accounts": ["mail"]}) as onboarding:
        await onboarding.letter(1)
        onboarding.story.authority.engine = rules(ALSO_BY_SECURITY)
        await onboarding.hands_in(*KINDS)
        request = await onboarding.run.asked()

    assert who_is_asked(request) == ["line_manager", "security_officer"]


async def test_rules_that_come_into_force_once_an_account_was_signed_for_are_signed_by_as_well(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, ONE_ACCOUNT) as onboarding:
        await onboarding.run.asked()
        async with just_signed(onboarding, lambda: onboarding.sign(1)):
            onboarding.story.authority.engine = rules(ALSO_BY_SECURITY)
        request = await onboarding.run.asked(2)
        created = onboarding.books().active_accounts
        await onboarding.sign(2)
        await onboarding.sign(2, by="omar")
        await onboarding.run.in_state("awaiting_first_day")
        states, books = await onboarding.run.states(), onboarding.books()

    assert who_is_asked(request) == ["line_manager", "security_officer"]
    assert states[-5:] == ["provisioning", "ruling", "awaiting_approval", "provisioning", "awaiting_first_day"]
    assert (created, books.active_accounts) == (0, 1)


async def test_where_rules_ask_for_nobody_nobody_is_asked(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, ONE_ACCOUNT, policy=rules(without="account-signed")) as onboarding:
        view = await onboarding.run.in_state("awaiting_first_day")

    assert [visit.state for visit in view.path][-3:] == ["ruling", "provisioning", "awaiting_first_day"]


@pytest.mark.parametrize("when", ["before anybody is asked", "after somebody has signed"])
async def test_what_rules_forbid_ends_it_and_what_was_ordered_is_closed(
    temporal: WorkflowEnvironment, when: str
) -> None:
    at_once = when == "before anybody is asked"
    async with an_onboarding(temporal, ONE_ACCOUNT, policy=rules(NO_NEW_ACCOUNTS) if at_once else None) as onboarding:
        if not at_once:
            await onboarding.run.asked()
            async with just_signed(onboarding, lambda: onboarding.sign(1)):
                onboarding.story.authority.engine = rules(NO_NEW_ACCOUNTS)
        ending = await onboarding.run.ending()
        states, books = await onboarding.run.states(), onboarding.books()

    assert ending.state == "declined"
    assert "no-new-accounts" in ending.reason
    assert states[-3:] == ["ruling" if at_once else "provisioning", "compensating", "declined"]
    assert books == Books()


async def test_an_account_that_is_rejected_ends_it_and_what_was_ordered_is_closed(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await onboarding.sign(1)
        await onboarding.run.decides(Verdict.REJECT, by="marcus", number=2, note="there is no budget for her")
        ending = await onboarding.run.ending()
        books = onboarding.books()

    assert (ending.state, ending.reason) == (
        "rejected",
        "the payroll account was rejected by marcus: there is no budget for her",
    )
    assert (books, onboarding.company.called.count("identity.create_account")) == (Books(), 0)


# Whoever is to sign may leave.


async def test_the_request_goes_to_whoever_holds_the_role_once_the_manager_has_left(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, ONE_ACCOUNT, roster=roster_of(RITA, HELEN, MARCUS)) as onboarding:
        await onboarding.run.asked()
        signed = MARCUS.signed(await onboarding.run.decision(Verdict.APPROVE))
        onboarding.story.authority.people = roster_of(RITA, HELEN, GRACE)  # Marcus has left, Grace is there instead
        why = await onboarding.run.refused(signed)
        receipt = await onboarding.run.sends(GRACE.signed(await onboarding.run.decision(Verdict.APPROVE)))
        await onboarding.run.in_state("awaiting_first_day")

    assert "is in nobody's name" in why, "he is in the roster no more"
    assert receipt.outcome == "approved"


async def test_a_signature_of_somebody_who_left_before_the_account_was_created_is_asked_for_again(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, ONE_ACCOUNT, roster=roster_of(RITA, HELEN, MARCUS)) as onboarding:
        await onboarding.run.asked()
        signed = MARCUS.signed(await onboarding.run.decision(Verdict.APPROVE))
        async with just_signed(onboarding, lambda: onboarding.run.sends(signed)):
            onboarding.story.authority.people = roster_of(RITA, HELEN, GRACE)
        await onboarding.run.asked(2)
        created = onboarding.books().active_accounts
        await onboarding.run.sends(GRACE.signed(await onboarding.run.decision(Verdict.APPROVE, number=2)))
        await onboarding.run.in_state("awaiting_first_day")
        books = onboarding.books()

    assert (created, books.active_accounts) == (0, 1)


async def test_where_no_manager_answers_human_resources_may_sign_and_at_last_choose(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, ONE_ACCOUNT, roster=roster_of(RITA, HELEN, MARCUS)) as onboarding:
        asked = await onboarding.run.asked()
        early = await onboarding.run.refused(HELEN.signed(await onboarding.run.decision(Verdict.APPROVE)))
        assert asked.hand_on_at is not None and asked.deadline is not None
        await onboarding.moves_to(asked.hand_on_at)
        await onboarding.run.until(lambda view: bool(view.waiting_for) and view.waiting_for[0].handed_on)
        await onboarding.moves_to(asked.deadline)
        choice = await onboarding.run.asked(2)
        await onboarding.run.sends(HELEN.signed(await onboarding.run.decision(Verdict.RETRY, number=2)))
        again = await onboarding.run.asked(3)
        states = await onboarding.run.states()

    assert "helen" in early and "once the request is handed on" in early
    assert choice.title == "the mail account was decided by nobody in time"
    assert [each.role for each in choice.obligations] == ["hr_manager"]
    assert states[-4:] == ["awaiting_approval", "escalated", "ruling", "awaiting_approval"]
    assert (again.title, again.action_digest != asked.action_digest) == (asked.title, True)


async def test_what_a_manager_returns_goes_to_human_resources_and_what_was_signed_stays_so(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await onboarding.sign(1)
        await onboarding.run.decides(Verdict.RETURN, by="marcus", number=2, note="which cost centre?")
        choice = await onboarding.run.asked(3)
        await onboarding.run.decides(Verdict.RETRY, by="helen", number=3)
        await onboarding.sign(4)
        await onboarding.run.in_state("awaiting_first_day")
        view = await onboarding.run.view()

    assert choice.title == "the payroll account was returned by marcus: which cost centre?"
    assert [(each.id[-2:], each.outcome) for each in view.decided] == [
        ("#1", "approved"),
        ("#2", "returned"),
        ("#3", "retry"),
        ("#4", "approved"),
    ]


async def test_what_people_were_shown_is_read_again_and_a_change_voids_what_they_signed(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_onboarding(temporal, ONE_ACCOUNT) as onboarding:
        first = await onboarding.run.asked()
        archive = onboarding.archive
        moved = archive.find_person("E-2043").first_day + timedelta(days=7)
        archive.agree_first_day("E-2043", moved)
        await onboarding.sign(1)
        again = await onboarding.run.asked(2)
        shown = await onboarding.story.store.contents.get(again.display_digest)
        await onboarding.sign(2)
        await onboarding.run.in_state("awaiting_first_day")
        states = await onboarding.run.states()

    assert shown is not None and f"the records changed: first_day: {moved - timedelta(days=7)} -> {moved}" in str(shown)
    assert again.action_digest != first.action_digest
    assert states[-5:] == ["awaiting_approval", "ruling", "awaiting_approval", "provisioning", "awaiting_first_day"]


# Accounts are created once.


async def test_an_account_whose_answer_was_lost_is_created_once(temporal: WorkflowEnvironment) -> None:
    faults = {"identity.create_account": [None, loses_the_answer]}
    async with an_onboarding(temporal, NGOZI, faults=faults) as onboarding:
        await onboarding.sign(1, 2)
        await onboarding.run.in_state("awaiting_first_day")
        books = onboarding.books()
        keys = onboarding.company.keys_of("identity.create_account")

    assert books.active_accounts == 2
    assert (len(keys), len(set(keys))) == (3, 2)


async def test_an_account_that_could_not_be_created_is_signed_for_anew(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI, faults={"identity.create_account": [None, says_no]}) as onboarding:
        await onboarding.sign(1, 2)
        choice = await onboarding.run.asked(3)
        await onboarding.run.decides(Verdict.RETRY, by="helen", number=3)
        again = await onboarding.run.asked(4)
        await onboarding.sign(4)
        await onboarding.run.in_state("awaiting_first_day")
        books = onboarding.books()

    assert choice.title == "identity.create_account: payroll ended as said_no: not today"
    assert again.title == "Create the payroll account of Ngozi Okafor, financial controller?"
    assert books.active_accounts == 2


async def test_two_that_arrive_at_once_both_count(temporal: WorkflowEnvironment) -> None:
    async with an_onboarding(temporal, NGOZI) as onboarding:
        await onboarding.run.asked(2)
        await asyncio.gather(onboarding.sign(1), onboarding.sign(2, by="grace"))
        await onboarding.run.in_state("awaiting_first_day")
        onboarding.story.authority.engine = rules(ALSO_BY_SECURITY)
        await onboarding.first_day_comes()
        ending = await onboarding.run.ending()

    assert ending.state == "onboarded", "what was created under the rules of its day stands"
