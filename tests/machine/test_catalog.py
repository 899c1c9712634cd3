"""The catalog: ours and an outside folder's automations, by name, each whole or refused with what is missing."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.runs import StartStatement
from workflows.catalog import OUTSIDE_PREFIX, Catalog, UnknownAutomation, run_id
from workflows.errand import ErrandRequest
from workflows.machine.definition import MachineDefinitionError
from workflows.refund import REFUND, RefundCase, RefundRequest, RefundWorkflow

OURS = [
    "refund",
    "errand",
    "guest_checkout",
    "support_escalation",
    "employee_onboarding",
    "operations_change",
    "upsert_contact",
    "check_in_guest",
    "submit_guest_service_request",
    "submit_maintenance_request",
    "compensate_checkout_failure",
]
PARCEL = '''
"""Parcel: send one parcel."""

from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.model import Model
    from contracts.runs import Case, Ending
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine


class ParcelRequest(Model):
    parcel: str
    weight: int = 1


class ParcelCase(Case):
    request: ParcelRequest


class State(StrEnum):
    SENDING = "sending"
    SENT = "sent"


PARCEL = Machine(State, initial=State.SENDING, final=(State.SENT,), good=(State.SENT,))


@workflow.defn(name="parcel")
class ParcelWorkflow(Automation[ParcelCase]):
    machine = PARCEL
    name = "parcel"

    @workflow.init
    def __init__(self, case: ParcelCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: ParcelCase) -> Ending:
        return await self.drive()

    @PARCEL.state(State.SENDING)
    async def send(self) -> Literal[State.SENT]:
        return State.SENT
'''


@pytest.fixture
def outside(tmp_path: Path) -> Callable[..., Path]:
    """A folder of one's own with one automation; each gets a module name of its own."""

    def write(text: str, name: str = "") -> Path:
        (tmp_path / "workflows").mkdir(exist_ok=True)
        (tmp_path / "workflows" / f"{name or 'own_' + uuid.uuid4().hex}.py").write_text(text)
        return tmp_path

    return write


def refund_start() -> StartStatement:
    """Rita asks."""
    return StartStatement(
        requester="rita",
        automation="refund",
        business_key="A-17",
        input_digest="sha256:" + "0" * 64,
        issued_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


def test_our_automations_are_found_by_name_with_everything_that_starts_them() -> None:
    catalog = Catalog.load()
    entry = catalog.find("refund")
    assert (entry.workflow, entry.request, entry.case, entry.machine) == (
        RefundWorkflow,
        RefundRequest,
        RefundCase,
        REFUND,
    )
    assert [known.name for known in catalog.entries()] == OURS
    assert entry.description.startswith("Refund: ")
    case = entry.first_case(RefundRequest(order_id="A-17"), refund_start())
    assert isinstance(case, RefundCase)
    assert (case.request.order_id, case.state) == ("A-17", "")


def test_an_unknown_automation_is_refused_naming_those_there_are() -> None:
    with pytest.raises(
        UnknownAutomation,
        match=rf"no automation 'refnd'; there are: {', '.join(OURS)} \(others",
    ):
        Catalog.load().find("refnd")


def test_an_outside_folder_adds_its_automations(outside: Callable[..., Path]) -> None:
    catalog = Catalog.load(outside(PARCEL))
    entry = catalog.find("parcel")
    assert entry.description == "Parcel: send one parcel."
    assert entry.request.model_validate({"parcel": "P-1"}).model_dump() == {"parcel": "P-1", "weight": 1}
    assert catalog.outside_modules() == (entry.module,)
    assert entry.module.startswith(OUTSIDE_PREFIX)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("from enum import StrEnum", "from enum import StringEnum", "ImportError: cannot import name 'StringEnum'"),
        ("class State(StrEnum):", "class State(StrEnum)", "SyntaxError: expected ':'"),
        ("initial=State.SENDING", "initial=State.SENDNG", "AttributeError: "),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_line(
    right: str, wrong: str, said: str, outside: Callable[..., Path]
) -> None:
    folder = outside(PARCEL.replace(right, wrong))
    line = 1 + PARCEL[: PARCEL.index(right)].count("\n")
    with pytest.raises(ImportError, match=rf"/workflows/own_\w+\.py:{line}: {said}"):
        Catalog.load(folder)


def test_where_an_unknown_automation_would_stand_is_said(outside: Callable[..., Path]) -> None:
    folder = outside(PARCEL)
    with pytest.raises(UnknownAutomation, match=rf"parcel \(there is no other in {folder}/workflows\)"):
        Catalog.load(folder).find("parcels")


def test_a_folder_without_workflows_adds_nothing(tmp_path: Path) -> None:
    assert [entry.name for entry in Catalog.load(tmp_path).entries()] == OURS


def test_two_automations_may_not_have_one_name(outside: Callable[..., Path]) -> None:
    folder = outside(PARCEL.replace('"parcel"', '"refund"'))
    with pytest.raises(
        MachineDefinitionError, match=r"two automations are called 'refund': workflows\.refund\.workflow and "
    ):
        Catalog.load(folder)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('@workflow.defn(name="parcel")\n', "", "it has no @workflow.defn"),
        (
            '    name = "parcel"\n',
            '    name = "parcel"\n\n    async def _take(self) -> None: ...\n',
            "it redefines '_take', which every automation has; call it otherwise",
        ),
        (
            '@workflow.defn(name="parcel")',
            '@workflow.defn(name="packet")',
            "is 'packet'; give the class the same `name`",
        ),
        ('    name = "parcel"\n', "", "give the class the same `name`"),
        ("    machine = PARCEL\n", "", "it names no `machine`"),
        ("    @workflow.init\n", "", r"its __init__\(self, case\) has no @workflow.init"),
        ("    request: ParcelRequest", "    parcel: ParcelRequest", "a Case with a field `request`"),
        ("async def run(self, case: ParcelCase)", "async def run(self, parcel: ParcelCase)", "one parameter `case`"),
        ("case: ParcelCase", "case: dict[str, str]", "a Case with a field `request`"),
        ("    request: ParcelRequest", "    request: str", "`request` must be a Model"),
        (
            "Literal[State.SENT]:\n        return State.SENT",
            "Literal[State.SENDING]: ...",
            "State.SENDING.*final state",
        ),
    ],
)
def test_an_automation_that_lacks_something_is_refused_saying_what(
    right: str, wrong: str, said: str, outside: Callable[..., Path]
) -> None:
    assert right in PARCEL
    with pytest.raises((MachineDefinitionError, ValueError), match=said):
        Catalog.load(outside(PARCEL.replace(right, wrong)))


def kinds(**may_start: tuple[str, ...]) -> Catalog:
    """A catalog of automations that differ in name and in what they may start."""
    entry = Catalog.load().find("refund")
    made = (
        replace(entry, name=name, workflow=type(name, (RefundWorkflow,), {"may_start": children}))
        for name, children in may_start.items()
    )
    return Catalog(made)


def test_what_an_automation_may_start_is_read_off_its_class() -> None:
    assert kinds(claim=("refund",), refund=()).may_start() == {"claim": ("refund",), "refund": ()}
    assert Catalog.load().may_start() == dict.fromkeys(OURS, ()) | {"support_escalation": ("refund",)}


@pytest.mark.parametrize(
    ("may_start", "said"),
    [
        ({"claim": ("refnd",), "refund": ()}, "may_start names 'refnd'; there are: claim, refund"),
        ({"claim": ("claim",)}, "a run may not stand inside its own kind: claim > claim"),
        ({"a": ("b",), "b": ("c",), "c": ("a",)}, "a run may not stand inside its own kind: a > b > c > a"),
        (
            {"a": ("b",), "b": ("c",), "c": ("d",), "d": ("e",), "e": ()},
            "at most 4 runs stand inside each other: a > b > c > d > e",
        ),
    ],
)
def test_children_that_cannot_be_are_refused_when_the_automations_are_loaded(
    may_start: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(MachineDefinitionError, match=said):
        kinds(**may_start)


def test_a_file_that_does_not_run_is_refused_and_may_be_mended(outside: Callable[..., Path]) -> None:
    name = f"broken_{uuid.uuid4().hex}"
    with pytest.raises(ImportError, match=rf"{name}\.py:1: SyntaxError: .*(never closed|invalid syntax)"):
        Catalog.load(outside("def broken(:", name))
    assert Catalog.load(outside(PARCEL, name)).find("parcel").name == "parcel"


# Business keys.


def test_a_business_key_is_made_of_the_fields_the_input_names() -> None:
    entry = Catalog.load().find("refund")
    assert entry.business_key(RefundRequest(order_id="A-17", limit_cents=1)) == "A-17"
    assert entry.business_key(RefundRequest(order_id="A-17", limit_cents=2)) == "A-17"


def test_without_named_fields_the_whole_input_is_the_key(outside: Callable[..., Path]) -> None:
    entry = Catalog.load(outside(PARCEL)).find("parcel")
    assert entry.business_key(entry.request.model_validate({"parcel": "P-1", "weight": 3})) == "P-1-3"


def test_long_or_unsafe_values_stand_in_the_key_by_their_digest() -> None:
    entry = Catalog.load().find("errand")

    def key(goal: str, name: str = "") -> str:
        return entry.business_key(ErrandRequest(goal=goal, servers=("crm",), name=name))

    assert key("Find out who waits") == key("Find out who waits")
    assert len(key("Find out who waits")) == 12
    assert key("Find out who waits") != key("Find out who waits!")
    assert key("Find out", name="monday").startswith("monday-")
    assert key("x/y#1 \n").isalnum()


def test_a_case_started_anew_has_a_number() -> None:
    assert run_id("refund", "A-17") == "refund/A-17"
    assert run_id("refund", "A-17", earlier_starts=1) == "refund/A-17~2"
