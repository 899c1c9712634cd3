"""What people's commands read: their own inbox, a request with who may decide it, and a record of who looked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.authority import NothingInForce
from activities.budgets import Budgeting
from activities.context_files import ContextFiles
from activities.conversations import RunKey
from activities.inbox import InboxEntry, StartRecord
from activities.reads import (
    ContentQuery,
    InboxPage,
    InboxQuery,
    Nothing,
    ReadActivities,
    RequestQuery,
    ShownRequest,
)
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import canonical_json
from contracts.deployment import Deployment, Mode
from contracts.roster import Roster
from contracts.tools import Taint
from policies.engine import CedarRules
from tests.activities.people import HOUR, NOON, asks, away, demands, lends, person, roster, started
from tests.activities.standing import RememberedDecisions, RememberedTaints
from tests.authority import FixedAuthority
from tests.stores import new_store
from workers.resources.store import Store
from workers.resources.store.schema import CONTENTS

HERE = Deployment(id="here", namespace="default", mode=Mode.PRODUCTION)
PEOPLE = roster(
    person("rita", "finance_manager"),
    person("dana", "finance_manager", name="Dana Diaz"),
    person("otto", "finance_manager"),
    person("bob"),
    person("eve", "finance_manager", name="Eve"),
    person("sue", "support_lead"),
    delegations=(lends("dana", "bob", "finance_manager"),),
    absences=(away("eve"),),
    owners={"refund": ("otto",)},
)


OTHER_RULES = CedarRules({"rules.cedar": '@id("other") permit(principal, action, resource);'})


@dataclass
class RecordingAudit:
    """Keeps what is appended."""

    records: list[AuditRecord] = field(default_factory=list)
    broken: bool = False

    async def append(self, *records: AuditRecord) -> None:
        """See activities.audit.Audit."""
        if self.broken:
            raise RuntimeError("the chain cannot be written")
        self.records.extend(records)


@dataclass
class NoonClock:
    """It is noon."""

    async def now(self) -> datetime:
        """See activities.clock.Clock."""
        return NOON


@dataclass
class Desk:
    """The reads, with a real store for inbox, contents and start records."""

    store: Store
    deployment: Deployment = HERE
    authority: FixedAuthority = field(default_factory=lambda: FixedAuthority(OTHER_RULES, PEOPLE))
    decided: RememberedDecisions = field(default_factory=RememberedDecisions)
    taints: RememberedTaints = field(default_factory=RememberedTaints)
    audit: RecordingAudit = field(default_factory=RecordingAudit)

    def reads(self) -> ReadActivities:
        """As a worker would build them."""
        return ReadActivities(
            self.store.inbox,
            self.store.contents,
            self.store.starts,
            self.decided,
            self.taints,
            self.authority,
            self.audit,
            Budgeting(self.store.budgets, ContextFiles(()), self.authority),
            NoonClock(),
            self.deployment,
            most_active_runs=0,
        )

    async def asked(self, entry: InboxEntry, requester: str = "rita") -> InboxEntry:
        """A request of a run for which `requester` asked."""
        run = RunKey(workflow_id=entry.workflow_id, first_run_id=entry.first_run_id)
        start = started(requester, business_key=entry.workflow_id)
        await self.store.starts.register(StartRecord(run=run, start=start, request={}), NOON)
        address = await self.store.contents.put(canonical_json({"request": {"title": entry.title}}))
        entry = entry.model_copy(update={"requester": requester, "display_digest": address})
        await self.store.inbox.open(entry)
        return entry

    async def page(self, approver: str = "", **asked: object) -> InboxPage:
        """The inbox of `approver`, or everybody's."""
        query = InboxQuery.model_validate({"approver": approver, **asked})
        return await ActivityEnvironment().run(self.reads().waiting_requests, query)

    async def listed(self, approver: str) -> list[str]:
        """The runs that wait for `approver`, in order."""
        return [entry.workflow_id for entry in (await self.page(approver)).requests]

    async def shown(self, entry: InboxEntry, reader: str = "") -> ShownRequest:
        """One request."""
        query = RequestQuery(request_id=entry.request_id, reader=reader)
        return await ActivityEnvironment().run(self.reads().show_request, query)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An empty inbox."""
    store = await asyncio.to_thread(Store.open, new_store(tmp_path))
    yield Desk(store)
    await asyncio.to_thread(store.close)


def later(hours: float) -> dict[str, Any]:
    """A deadline so many hours after noon."""
    return {"deadline": NOON + timedelta(hours=hours)}


async def test_people_are_listed_what_they_may_sign_and_nothing_else(desk: Desk) -> None:
    await desk.asked(asks(workflow_id="refund/by-rita"))
    await desk.asked(asks(workflow_id="refund/by-dana"), requester="Dana")
    await desk.asked(asks(demands("support_lead"), workflow_id="refund/for-leads"))

    assert await desk.listed("dana") == ["refund/by-rita"]
    assert await desk.listed("RITA") == ["refund/by-dana"]
    assert await desk.listed("bob") == ["refund/by-rita"]  # dana lent the role, and asked for the other one
    assert await desk.listed("sue") == ["refund/for-leads"]
    assert await desk.listed("otto") == []  # owns the automation
    assert await desk.listed("eve") == []  # away
    assert len((await desk.page()).requests) == 3


async def test_the_oldest_deadline_comes_first_and_what_is_over_is_not_offered(desk: Desk) -> None:
    for run, hours in (("refund/b", 2), ("refund/c", 3), ("refund/a", 1), ("refund/over", 0)):
        await desk.asked(asks(workflow_id=run, **later(hours)))
    await desk.asked(asks(workflow_id="refund/open", deadline=None))

    assert await desk.listed("dana") == ["refund/a", "refund/b", "refund/c", "refund/open"]
    assert len((await desk.page()).requests) == 5


async def test_what_a_person_has_decided_already_is_not_offered_to_them_again(desk: Desk) -> None:
    entry = await desk.asked(asks(demands(quorum=2)))
    desk.decided.taken.append(("dana", entry.request_id, NOON))

    assert await desk.listed("dana") == []
    assert await desk.listed("bob") == ["refund/A-17"]


async def test_a_request_that_is_handed_on_is_listed_for_the_next_role_too(desk: Desk) -> None:
    handing = demands(hand_on=HOUR, hand_on_to="support_lead")
    await desk.asked(asks(handing, workflow_id="refund/not-yet"))
    handed_on = asks(handing, workflow_id="refund/handed-on", handed_on_at=NOON, hand_ons={handing.rule_id: NOON})
    await desk.asked(handed_on)

    assert await desk.listed("sue") == ["refund/handed-on"]
    assert sorted(await desk.listed("dana")) == ["refund/handed-on", "refund/not-yet"]


async def test_how_many_others_there_are_is_told(desk: Desk) -> None:
    await desk.asked(asks(workflow_id="refund/mine"))
    await desk.asked(asks(demands("support_lead"), workflow_id="refund/theirs"))
    page = await desk.page("dana")

    assert (len(page.requests), page.others, page.cut, page.problem) == (1, 1, False, "")


async def test_no_flood_hides_a_request_from_those_who_may_sign_it(desk: Desk) -> None:
    flood = [asks(demands("support_lead"), workflow_id=f"refund/{number}", **later(1)) for number in range(400)]
    for entry in flood:
        await desk.store.inbox.open(entry)
    await desk.asked(asks(workflow_id="refund/mine", **later(5)))
    page = await desk.page("dana")

    assert [entry.workflow_id for entry in page.requests] == ["refund/mine"]
    assert page.others == 400


async def test_more_than_was_asked_for_is_said_to_be_there(desk: Desk) -> None:
    for number in range(4):
        await desk.asked(asks(workflow_id=f"refund/{number}", **later(number + 1)))
    mine, all_of_them, exactly = (
        await desk.page("dana", limit=3),
        await desk.page(limit=3),
        await desk.page("dana", limit=4),
    )

    assert (len(mine.requests), mine.cut) == (3, True)
    assert (len(all_of_them.requests), all_of_them.cut) == (3, True)
    assert (len(exactly.requests), exactly.cut) == (4, False)


async def test_requests_are_listed_by_automation(desk: Desk) -> None:
    await desk.asked(asks(workflow_id="refund/1"))
    await desk.asked(asks(workflow_id="errand/1", automation="errand"))

    assert [entry.automation for entry in (await desk.page("dana", automation="errand")).requests] == ["errand"]
    assert [entry.automation for entry in (await desk.page(automation="refund")).requests] == ["refund"]


async def test_a_run_without_a_start_record_is_offered_to_nobody(desk: Desk) -> None:
    await desk.store.inbox.open(asks())

    assert await desk.listed("dana") == []


@pytest.mark.parametrize(("name", "said"), [("mallory", "nobody of the roster"), ("eve", "absent until")])
async def test_who_may_sign_nothing_at_all_is_told_why(desk: Desk, name: str, said: str) -> None:
    await desk.asked(asks())
    page = await desk.page(name)

    assert (page.requests, page.others) == ((), 1)
    assert said in page.problem


async def test_how_much_of_the_hour_s_decisions_is_used_is_told(desk: Desk) -> None:
    desk.decided.taken += [("dana", "refund/x#1", NOON - HOUR), ("dana", "refund/y#1", NOON - 2 * HOUR)]
    page = await desk.page("DANA")

    assert (page.decided_lately, page.decisions_per_hour) == (1, 20)


async def test_without_a_roster_in_force_nobody_is_listed_anything_and_everything_can_still_be_read(desk: Desk) -> None:
    entry = await desk.asked(asks())
    desk.authority.missing = NothingInForce("no roster is in force; make one active")

    with pytest.raises(ApplicationError, match="no roster is in force") as refused:
        await desk.page("dana")
    assert (refused.value.type, refused.value.non_retryable) == ("NothingInForce", True)
    assert len((await desk.page()).requests) == 1
    shown = await desk.shown(entry)
    assert (shown.candidates, shown.anybody) == ((), False)
    assert "no roster is in force" in shown.problem


async def test_in_development_without_a_roster_everybody_may_sign_all_but_their_own(desk: Desk) -> None:
    desk.deployment = HERE.model_copy(update={"mode": Mode.DEVELOPMENT})
    desk.authority.people = Roster()
    entry = await desk.asked(asks(workflow_id="refund/by-rita"))
    await desk.asked(asks(workflow_id="refund/by-dana"), requester="dana")

    assert await desk.listed("Rita ") == ["refund/by-dana"]
    assert await desk.listed("dana") == ["refund/by-rita"]
    assert len(await desk.listed("whoever")) == 2
    assert (await desk.shown(entry)).anybody


async def test_a_request_is_shown_with_everybody_who_may_decide_it(desk: Desk) -> None:
    entry = await desk.asked(asks(demands(quorum=2)))
    desk.decided.taken.append(("dana", entry.request_id, NOON))
    run = RunKey(workflow_id=entry.workflow_id, first_run_id=entry.first_run_id)
    desk.taints.known[run] = frozenset({Taint.PRIVATE, Taint.UNTRUSTED})
    shown = await desk.shown(entry)

    assert [(each.subject, each.roles, each.absent_until) for each in shown.candidates] == [
        ("dana", ("finance_manager",), None),
        ("bob", ("finance_manager for dana",), None),
        ("eve", ("finance_manager",), NOON + HOUR),
    ]
    assert shown.approved_by == ("Dana Diaz",)
    assert shown.taint == ("private", "untrusted")
    assert not shown.anybody


async def test_a_request_is_shown_with_the_rules_that_ask_as_they_are_in_force(desk: Desk) -> None:
    rule = '@id("finance_manager-must")\npermit(principal, action, resource);'
    entry = await desk.asked(asks())
    assert (await desk.shown(entry)).rules == {}

    desk.authority.engine = CedarRules({"rules.cedar": f'@id("other") permit(principal, action, resource);\n{rule}'})
    assert (await desk.shown(entry)).rules == {"finance_manager-must": rule}


async def test_who_reads_a_request_or_content_is_recorded(desk: Desk) -> None:
    entry = await desk.asked(asks())
    address = await desk.store.contents.put(b"the answer")
    await desk.shown(entry, reader="dana")
    content = await ActivityEnvironment().run(desk.reads().read_content, ContentQuery(address=address, reader="rita"))

    assert content == "the answer"
    common = {"kind": AuditKind.READ, "at": NOON}
    assert desk.audit.records == [
        AuditRecord.model_validate(
            {
                **common,
                "who": "dana",
                "about": entry.request_id,
                "workflow_id": entry.workflow_id,
                "first_run_id": entry.first_run_id,
            }
        ),
        AuditRecord.model_validate({**common, "who": "rita", "about": address}),
    ]


async def test_what_cannot_be_recorded_is_not_shown(desk: Desk) -> None:
    entry = await desk.asked(asks())
    address = await desk.store.contents.put(b"the answer")
    desk.audit.broken = True

    with pytest.raises(RuntimeError, match="cannot be written"):
        await desk.shown(entry)
    with pytest.raises(RuntimeError, match="cannot be written"):
        await ActivityEnvironment().run(desk.reads().read_content, ContentQuery(address=address))


async def test_what_is_not_there_is_refused_for_good_and_not_recorded(desk: Desk) -> None:
    missing = asks(workflow_id="refund/nothing")
    with pytest.raises(ApplicationError, match="no request 'refund/nothing#1'"):
        await desk.shown(missing)
    with pytest.raises(ApplicationError, match="nothing is stored under"):
        await ActivityEnvironment().run(desk.reads().read_content, ContentQuery(address=missing.action_digest))

    assert desk.audit.records == []


async def test_of_what_was_erased_people_are_told_so_and_shown_the_rest(desk: Desk) -> None:
    entry = await desk.asked(asks())
    emptied = update(CONTENTS).values(content=b"", erased_at=NOON)
    desk.store._database.write_now(lambda connection: connection.execute(emptied).rowcount)

    shown = await desk.shown(entry, reader="dana")
    query = ContentQuery(address=entry.display_digest)

    assert (shown.entry.request_id, shown.shown) == (entry.request_id, {})
    with pytest.raises(ApplicationError, match=r"was erased at 2026-.* and cannot be had any more") as refused:
        await ActivityEnvironment().run(desk.reads().read_content, query)
    assert refused.value.non_retryable


async def test_a_command_learns_which_installation_it_talks_to(desk: Desk) -> None:
    assert await ActivityEnvironment().run(desk.reads().deployment_facts, Nothing()) == HERE


async def test_a_budget_is_told_of_a_run_that_was_registered(desk: Desk) -> None:
    entry = await desk.asked(asks())
    run = RunKey(workflow_id=entry.workflow_id, first_run_id=entry.first_run_id)
    reads = desk.reads()

    told = await ActivityEnvironment().run(reads.budget_of_run, run)
    nothing = await ActivityEnvironment().run(reads.budget_of_run, run.model_copy(update={"first_run_id": "run-9"}))
    desk.authority.missing = NothingInForce("no roster is in force")
    with pytest.raises(ApplicationError, match="no roster is in force"):
        await ActivityEnvironment().run(reads.budget_of_run, run)

    assert [(line.whose.value, line.unit.value, line.spent) for line in told.lines] == [
        ("this run", "turns", 0),
        ("this run", "tokens", 0),
        ("this run", "cost_micros", 0),
        ("this requester today", "cost_micros", 0),
    ]
    assert nothing.lines == ()
