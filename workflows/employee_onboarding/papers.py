"""The papers of an onboarding: what stands in the records, what is delivered, and the letters for what is missing."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import JsonValue
from temporalio import workflow

from contracts.deliveries import Delivery, DeliveryAnswer
from contracts.tools import CallStatus, Scalar, ToolCall, ToolOutcome
from workflows.books import Arguments, by_this_run
from workflows.deliveries import TakesDeliveries, known, refusal, taken
from workflows.employee_onboarding.case import (
    EmployeeOnboardingCase,
    Paper,
    PaperKind,
    Person,
    problem_with,
)
from workflows.steps import StepFailed, done, make_call, renew, tool_call
from workflows.working_time import next_working_moment

MOST_REMINDERS = 3
"""After them human resources choose how to go on."""
REMIND_AFTER = timedelta(days=3)
"""Or when people next work, should they not work then."""
PERSON_FACTS = {name: f"/{name}" for name in Person.model_fields}
PAPER_FACTS = {f"{kind}/{what}": f"/{kind}/{what}" for kind in PaperKind for what in ("reference", "digest")}
DELIVERED_FACTS = {name: f"/{name}" for name in ("kind", "digest", "replaced_by")}


class CollectsPapers(TakesDeliveries[EmployeeOnboardingCase]):
    """A run about one person's papers. The records are right: what stands there counts, whoever has told the run."""

    paper_kinds = tuple(PaperKind)

    def already(self, delivery: Delivery) -> str:
        """A paper that was delivered before, or that the records have told the run of, counts once."""
        stands = self.case.paper(delivery.kind)
        if stands and (stands.reference, stands.digest) == (delivery.reference, delivery.digest):
            return f"{delivery.reference} was taken before, and counts once"
        return ""

    async def look_at(self, delivery: Delivery) -> DeliveryAnswer:
        """Only a paper that stands in the records, of that kind and with that digest, is taken; and once."""
        now = workflow.now()
        if message := self.already(delivery):
            return known(delivery, message, now)
        found = await self._find_paper(delivery)
        if found.status is CallStatus.SAID_NO:
            return refusal(delivery, found.message, now)
        if problem := problem_with(delivery, **_facts_of(found, "people_records.find_paper")):
            return refusal(delivery, problem, now)
        paper = Paper(kind=PaperKind(delivery.kind), reference=delivery.reference, digest=delivery.digest)
        self.note(papers=self.case.papers_with(paper))
        return taken(delivery, f"{delivery.reference} is taken; still missing: {self.case.words_of_missing}", now)

    async def look_into_records(self) -> None:
        """What stands there counts, whether anybody has told the run or not; what was replaced does not."""
        found = await self._read("papers_of", PAPER_FACTS)
        papers = (
            Paper(kind=kind, reference=str(reference), digest=str(found[f"{kind}/digest"]))
            for kind in PaperKind
            if (reference := found[f"{kind}/reference"]) is not None
        )
        self.note(papers=tuple(papers))
        self._publish_details()

    async def read_person(self) -> Person:
        """Who joins, as the records say now."""
        return Person(**await self._read("find_person", PERSON_FACTS))

    def letter_is_due(self) -> bool:
        """The first letter is due at once, a reminder when people work."""
        return self.case.ask_at is None or self.case.ask_at <= workflow.now()

    async def ask_for_papers(self) -> None:
        """One letter for all that is missing. The last one was answered by nobody: then people choose."""
        if self.case.asked > MOST_REMINDERS:
            self.note(asked=0, ask_at=None)
            problem = f"still missing after {MOST_REMINDERS} reminders: {self.case.words_of_missing}"
            raise StepFailed("the papers", problem, ask_people=True)
        following = await next_working_moment(self, workflow.now() + REMIND_AFTER, self.case.request.calendar)
        kinds: list[JsonValue] = [kind.value for kind in self.case.missing]
        letter = self.numbered_call("people_records", "ask_for_papers", f"letter {self.case.letters + 1}", kinds=kinds)
        sent = await make_call(self, letter)
        if sent.status is CallStatus.SAID_NO and await self._something_came():
            self.note(occurrences=renew(self.case, letter.step))
            return  # the records ask nobody for what has come meanwhile
        done(sent, letter.step)
        self.note(letters=self.case.letters + 1, asked=self.case.asked + 1, ask_at=following)
        self._publish_details()

    async def _something_came(self) -> bool:
        """Whether the records have changed since they were last looked into."""
        before = self.case.papers
        await self.look_into_records()
        return self.case.papers != before

    # Calls.

    @property
    def mine(self) -> Arguments:
        """The employee, and the reference under which every system keeps what this run does for them."""
        return by_this_run(self.case.employee)

    def numbered_call(self, server: str, tool: str, about: str, **arguments: JsonValue) -> ToolCall:
        """One of several calls of a tool: each is a step of its own."""
        step = f"{server}.{tool}: {about}"
        call = tool_call(self, server, tool, self.mine | arguments)
        return call.model_copy(update={"step": step, "occurrence": str(self.case.occurrences.get(step, 1))})

    async def _find_paper(self, delivery: Delivery) -> ToolOutcome:
        named = self.case.employee | {"reference": delivery.reference}
        return await self._look(tool_call(self, "people_records", "find_paper", named, facts=DELIVERED_FACTS))

    async def _read(self, tool: str, facts: Mapping[str, str]) -> dict[str, Scalar]:
        """The records as they are now, however often they were read before."""
        call = tool_call(self, "people_records", tool, self.case.employee, facts=facts)
        return _facts_of(await self._look(call), call.step)

    async def _look(self, call: ToolCall) -> ToolOutcome:
        """A read that is asked anew each time: no answer of before stands for it."""
        self.note(looks=self.case.looks + 1)
        anew = {"step": f"{self.case.state}: {call.step}", "occurrence": f"look {self.case.looks}"}
        return await make_call(self, call.model_copy(update=anew), at_once=True)


def _facts_of(found: ToolOutcome, step: str) -> dict[str, Scalar]:
    """What was read. Raises StepFailed when nothing was, or nothing readable."""
    if not done(found, step).facts:
        raise StepFailed(step, f"{step} was answered, but not readably: {found.message}", renew=True)
    return found.facts
