"""Employee onboarding: papers, tickets and accounts of somebody who joins, over weeks, or all of it undone."""

from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.decisions import APPROVED
    from contracts.policy import RulingEffect
    from contracts.runs import Ending
    from contracts.tools import CallStatus, ToolCall
    from workflows.books import check_outcome, unlike
    from workflows.employee_onboarding.case import WANTED, Account, EmployeeOnboardingCase, PaperKind, System
    from workflows.employee_onboarding.papers import MOST_REMINDERS, CollectsPapers
    from workflows.machine import compensation
    from workflows.machine.approvals import Answer
    from workflows.machine.definition import Machine
    from workflows.machine.failing import KeepTrying
    from workflows.steps import StepFailed, ask_policy, done, make_call
    from workflows.working_time import opening_of_day


class State(StrEnum):
    """Where an onboarding can be."""

    COLLECTING = "collecting"  # papers; nobody is asked for what stands in the records
    ORDERING = "ordering"  # hardware and a workplace
    RULING = "ruling"  # policy rules on each account
    AWAITING_APPROVAL = "awaiting_approval"  # by the line manager; of a privileged account by a second role
    PROVISIONING = "provisioning"  # create the accounts
    AWAITING_FIRST_DAY = "awaiting_first_day"
    VERIFYING = "verifying"  # read the systems of record back
    COMPENSATING = "compensating"  # disable the accounts, close the tickets

    ONBOARDED = "onboarded"
    WITHDRAWN = "withdrawn"  # the one who was to join will not; everything is undone
    REJECTED = "rejected"  # by somebody who had to sign; everything is undone
    DECLINED = "declined"  # by policy; everything is undone


WAITING = (State.COLLECTING, State.AWAITING_APPROVAL, State.AWAITING_FIRST_DAY)
ONBOARDING = Machine(
    State,
    initial=State.COLLECTING,
    waiting=WAITING,
    final=(State.ONBOARDED, State.WITHDRAWN, State.REJECTED, State.DECLINED),
    good=(State.ONBOARDED,),
)


@workflow.defn(name="employee_onboarding")
class EmployeeOnboardingWorkflow(CollectsPapers):
    """One person who joins."""

    machine = ONBOARDING
    name = "employee_onboarding"
    owner_role = "hr_manager"
    looks_in = WAITING
    looks_no_more_in = (State.VERIFYING, State.COMPENSATING)

    @workflow.init
    def __init__(self, case: EmployeeOnboardingCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: EmployeeOnboardingCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @ONBOARDING.state(State.COLLECTING, fails=KeepTrying(times=3, every=timedelta(minutes=5)))
    async def collect(self) -> Literal[State.ORDERING, State.COMPENSATING]:
        """Wait until every paper stands in the records; ask for what is missing, and remind in working time."""
        self.note(person=await self.read_person())
        await self.look_into_records()
        while self.case.missing and not self.case.withdrawn:
            if self.letter_is_due():
                await self.ask_for_papers()
            elif await self.delivery_or(self.case.ask_at, f"waiting for papers: {self.case.words_of_missing}"):
                await self.look_at_deliveries()
            else:
                await self.look_into_records()  # somebody may have stored a paper, and told nobody
        await self.look_at_deliveries()
        return self._come_to_nothing() if self.case.withdrawn else State.ORDERING

    @ONBOARDING.state(State.ORDERING)
    async def order(self) -> Literal[State.RULING]:
        """What is needed on the first day."""
        compensation.register(self, "the tickets", "tickets", "close_tickets", self.mine)
        wanted = self.tickets()
        for kind in wanted:
            ticket = self.numbered_call("tickets", "create_ticket", kind, kind=kind, needed_by=str(self._first_day()))
            done(await make_call(self, ticket), ticket.step)
        self.note(ordered=wanted)
        return State.RULING

    @ONBOARDING.state(State.RULING)
    async def rule(self) -> Literal[State.PROVISIONING, State.AWAITING_APPROVAL, State.COMPENSATING]:
        """Policy rules on each account that is not created, and that nobody has signed for as it now stands."""
        self.note(person=await self.read_person())
        for system in self.case.systems:
            if self._is_settled(system):
                continue
            call = self._account_call(system)
            ruling = await ask_policy(self, call)
            if ruling.effect is RulingEffect.FORBID:
                return self._decline(f"{ruling.reason} {ruling.allowing_rule}".strip())
            self._keep(Account(system=system, call=call, ruling=ruling))
        return State.AWAITING_APPROVAL if self.case.unsigned else State.PROVISIONING

    @ONBOARDING.state(State.AWAITING_APPROVAL, retry=State.RULING)
    async def await_approval(self) -> Literal[State.PROVISIONING, State.RULING, State.COMPENSATING]:
        """People sign for each account. Who may is asked when they answer: whoever has left the roster has no say."""
        while unsigned := self.case.unsigned:
            for account in unsigned:
                await self.open_approval(account.ruling, self.case.question(account), self.case.context())
            answer = await self.answer_unless(self.has_deliveries)
            if answer is not None:
                if not self._is_signed(answer):
                    await self.withdraw_requests("withdrawn")
                    return State.COMPENSATING
                continue
            await self.look_at_deliveries()
            if self.case.withdrawn:
                await self.withdraw_requests("withdrawn")
                return self._come_to_nothing()
        return await self._unless_changed()

    @ONBOARDING.state(State.PROVISIONING, retry=State.RULING)
    async def provision(self) -> Literal[State.AWAITING_FIRST_DAY, State.RULING, State.COMPENSATING]:
        """Create the accounts exactly as they were signed for."""
        compensation.register(self, "the accounts", "identity", "disable_accounts", self.mine)
        for account in self.case.accounts:
            if account.created:
                continue
            created = await make_call(self, account.call)
            if created.status is CallStatus.FORBIDDEN:
                return self._decline(created.message)
            if created.status is CallStatus.NEEDS_APPROVAL:  # other rules are in force than were signed by
                return self._sign_again(account, created.message)
            done(created, account.call.step)
            self._keep(account.model_copy(update={"created": True}))
        return State.AWAITING_FIRST_DAY

    @ONBOARDING.state(State.AWAITING_FIRST_DAY)
    async def await_first_day(self) -> Literal[State.VERIFYING, State.COMPENSATING]:
        """Until the office opens on the first day, which may be moved meanwhile; or they withdraw."""
        while True:
            await self.look_into_records()
            await self.look_at_deliveries()
            if self.case.withdrawn:
                return self._come_to_nothing()
            self.note(person=await self.read_person())
            begins = await opening_of_day(self, self._first_day(), self.case.request.calendar)
            if begins <= workflow.now():
                return State.VERIFYING
            await self.delivery_or(begins, f"waiting for the first day of {self.case.person.full_name}")

    @ONBOARDING.state(State.VERIFYING, take_over=State.ONBOARDED)
    async def verify(self) -> Literal[State.ONBOARDED]:
        """Read every system of record back: every paper, ticket and account of this run, once."""
        check_outcome(await self._differences())
        person, accounts = self.case.person, ", ".join(self.case.systems)
        self.note(reason=f"{person.full_name} has begun on {person.first_day}, with accounts in {accounts}")
        return State.ONBOARDED

    @ONBOARDING.state(State.COMPENSATING)
    async def compensate(self) -> Literal[State.WITHDRAWN, State.REJECTED, State.DECLINED]:
        """Undo, newest first."""
        await compensation.undo(self)
        match self.case.closing:
            case "rejected":
                return State.REJECTED
            case "declined":
                return State.DECLINED
            case _:
                return State.WITHDRAWN

    def tickets(self) -> tuple[str, ...]:
        """What is ordered for everybody who joins."""
        return ("hardware", "workplace")

    # Accounts.

    def _account_call(self, system: System) -> ToolCall:
        return self.numbered_call("identity", "create_account", system, **self.case.account_arguments(system))

    def _is_settled(self, system: System) -> bool:
        """It is created, or signed for as it would be created now."""
        account = self.case.account(system)
        if account is None or account.created:
            return account is not None
        as_now = account.call.model_copy(update={"evidence": ()}) == self._account_call(system)
        return as_now and bool(account.call.evidence)

    def _keep(self, account: Account) -> None:
        self.note(accounts=self.case.accounts_with(account))

    def _is_signed(self, answer: Answer) -> bool:
        """What is approved is kept. Raises StepFailed for what nobody has decided: human resources go on with it."""
        about = next(each for each in self.case.unsigned if each.ruling.action_digest == answer.action_digest)
        if answer.outcome == APPROVED:
            self._keep(about.signed(answer.evidence))
            return True
        said = f" by {answer.approver}: {answer.note}"
        if answer.outcome == "rejected":
            self.note(closing="rejected", reason=f"the {about.title} account was rejected{said}"[:400])
            return False
        what = f"returned{said}" if answer.outcome == "returned" else "decided by nobody in time"
        raise StepFailed(about.call.step, f"the {about.title} account was {what}"[:400], renew=True, ask_people=True)

    async def _unless_changed(self) -> Literal[State.PROVISIONING, State.RULING]:
        """After a wait the facts that people were shown are read again; a change voids what they have signed."""
        now = await self.read_person()
        changes = self.case.person.changes_to(now)
        if not changes:
            return State.PROVISIONING
        occurrences = dict(self.case.occurrences)
        for account in self.case.accounts:
            if not account.created:
                occurrences |= {account.call.step: occurrences.get(account.call.step, 1) + 1}
        self.note(person=now, occurrences=occurrences, asked_again=f"the records changed: {changes}"[:400])
        return State.RULING

    def _sign_again(self, account: Account, why: str) -> Literal[State.RULING]:
        self._keep(account.signed(()))
        self.note(asked_again=why, reason=why)
        return State.RULING

    # Endings that nobody hoped for.

    def _come_to_nothing(self) -> Literal[State.COMPENSATING]:
        letter = self.case.paper(PaperKind.WITHDRAWAL)
        where = letter.reference if letter else "the records"
        self.note(closing="withdrawn", reason=f"{self._who()} has withdrawn: {where}")
        return State.COMPENSATING

    def _decline(self, reason: str) -> Literal[State.COMPENSATING]:
        self.note(closing="declined", reason=reason[:400])
        return State.COMPENSATING

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"Onboarding of {self._who()}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        case, person = self.case, self.case.person
        shown = {"employee": case.request.employee_id, "papers": case.words_of_papers, "missing": case.words_of_missing}
        if person.full_name is not None:
            shown |= {"name": f"{person.full_name}, {person.job_title}", "first day": str(person.first_day)}
        if case.ask_at is not None and case.missing:
            shown |= {"next letter": f"{case.ask_at:%Y-%m-%d %H:%M} UTC, after {case.asked} of {1 + MOST_REMINDERS}"}
        if created := [each.title for each in case.accounts if each.created]:
            shown |= {"accounts": ", ".join(created)}
        if case.last_refusal:
            shown |= {"refused deliveries": f"{case.refused_deliveries}; the last: {case.last_refusal}"}
        return shown

    def _who(self) -> str:
        return str(self.case.person.full_name or self.case.request.employee_id)

    def _first_day(self) -> date:
        try:
            return date.fromisoformat(str(self.case.person.first_day))
        except ValueError as error:
            problem = f"the first day in the records is {self.case.person.first_day!r}, no day"
            raise StepFailed("reading the records", problem, renew=True) from error

    async def _differences(self) -> list[str]:
        await self.look_into_records()
        missing = [f"people_records has no {kind.value}" for kind in WANTED if kind in self.case.missing]
        return [
            *missing,
            *await unlike(self, "tickets", "tickets_of", self.mine, {"/standing_count": len(self.case.ordered)}),
            *await unlike(self, "identity", "accounts_of", self.mine, {"/active_count": len(self.case.systems)}),
        ]


ONBOARDING.check()
