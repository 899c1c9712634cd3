"""What people are shown of child runs: where they stand, and whom they wait for, through every run that waits."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cli.children import lines_of_children
from cli.exits import Refused
from cli.watching import run_lines
from contracts.canonical import digest
from contracts.decisions import ApprovalRequest
from contracts.policy import Obligation
from contracts.runs import ChildRun, RunView

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
OBLIGATION = Obligation(role="finance_manager", within=timedelta(days=2), rule_id="refund-over-50")
REQUEST = ApprovalRequest(
    id="refund/A-17~1#1",
    title="Credit 640.00 EUR?",
    action_digest=digest({}),
    display_digest=digest({}),
    obligations=(OBLIGATION,),
    opened_at=NINE,
)


def a_view(run: str, state: str, *children: ChildRun, **more: object) -> RunView:
    """A run as it shows itself."""
    named = {"automation": run.partition("/")[0], "workflow_id": run, "first_run_id": "first", "requester": "rita"}
    shown = {"state": state, "final": False, "path": (), "child_runs": children}
    return RunView.model_validate(named | shown | more)


@dataclass
class ToldViews:
    """A server that knows these runs."""

    views: dict[str, RunView]

    async def view(self, run: str) -> RunView:
        """See cli.server.Server."""
        if run not in self.views:
            raise Refused(f"no run {run}")
        return self.views[run]


async def test_a_run_names_its_children_and_whom_they_and_those_inside_them_wait_for() -> None:
    gone = ChildRun(step="letter", workflow_id="letter/L-1~1")
    over = ChildRun(step="note", workflow_id="note/N-1~1", ending="noted")
    credit = ChildRun(step="credit", workflow_id="refund/A-17~1")
    outer = a_view("support/S-1", "helping", ChildRun(step="claim", workflow_id="claim/C-1~1"))
    claim = a_view("claim/C-1~1", "settling", gone, over, credit, parent="support/S-1")
    refund = a_view("refund/A-17~1", "awaiting_approval", waiting_for=(REQUEST,), parent="claim/C-1~1")
    server = ToldViews({view.workflow_id: view for view in (claim, refund)})

    lines = await lines_of_children(server, outer)  # type: ignore[arg-type]

    assert lines == [
        "claim/C-1~1 is settling",
        "  letter/L-1~1: no run letter/L-1~1",
        "  refund/A-17~1 is awaiting_approval",
        "    waits for a finance_manager: Credit 640.00 EUR?",
        "      read it: interlock approvals show 'refund/A-17~1#1'",
        "      answer: approve, reject, return",
        "    next: interlock runs show 'refund/A-17~1'",
        "  next: interlock runs show 'claim/C-1~1'",
    ]
    told = [*run_lines(claim)]
    assert "inside the run: support/S-1" in told
    assert told[-3:] == [
        "child run, letter: letter/L-1~1, under way",
        "child run, note: note/N-1~1, noted",
        "child run, credit: refund/A-17~1, under way",
    ]
