"""Ways through an onboarding. Papers stand in the records before: when somebody is asked for them, office hours say."""

from contracts.decisions import Verdict
from demo.mcp_servers.people_records.records import PaperKind
from tests.faults.ways.journey import Effects, Journey
from tests.workflows.onboarding_world import AMARA, KINDS, NGOZI
from tests.workflows.test_onboarding_signed import NO_NEW_ACCOUNTS

SIGNED = ((Verdict.APPROVE, "marcus"),) * 2
PAPERS = tuple(PaperKind(kind) for kind in KINDS)


def _tickets(employee_id: str, status: str) -> Effects:
    row = {"employee_id": employee_id, "status": status}
    return {"tickets.tickets": (row | {"kind": "hardware"}, row | {"kind": "workplace"})}


def _accounts(employee_id: str, status: str) -> Effects:
    row = {"employee_id": employee_id, "status": status}
    return {"identity.accounts": (row | {"system": "mail"}, row | {"system": "payroll"})}


ONBOARDINGS = (
    Journey(
        "whoever joins has begun",
        "employee_onboarding",
        AMARA,
        "onboarded",
        {**_tickets("E-2044", "open"), **_accounts("E-2044", "active")},
        people=SIGNED,
        stored=PAPERS,
    ),
    Journey(
        "whoever was to join withdraws before the first day",
        "employee_onboarding",
        NGOZI,
        "withdrawn",
        {
            **_tickets("E-2043", "closed"),
            **_accounts("E-2043", "disabled"),
            "people_records.papers": ({"employee_id": "E-2043", "kind": "withdrawal"},),
        },
        people=SIGNED,
        hands_in=("awaiting_first_day", PaperKind.WITHDRAWAL),
    ),
    Journey(
        "an account is rejected",
        "employee_onboarding",
        NGOZI | {"accounts": ("mail",)},
        "rejected",
        _tickets("E-2043", "closed"),
        people=((Verdict.REJECT, "marcus"),),
    ),
    Journey(
        "no accounts are created any more",
        "employee_onboarding",
        NGOZI,
        "declined",
        _tickets("E-2043", "closed"),
        rules=(NO_NEW_ACCOUNTS,),
    ),
)
