"""What `interlock store erase` does: find what is kept about somebody, and have it emptied, signed by an operator."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from activities.erasing import StillStands, Trace, Traces
from cli.exits import Refused, WrongInput
from cli.office import office_here
from cli.option_problems import option_problem
from cli.outside import as_argument
from cli.printing import local_time
from cli.signatories import signatory
from contracts.erasing import Erasure, digest_of_runs
from contracts.signing import SignedFor

if TYPE_CHECKING:
    from workers.office import Office

STAYS = (
    "stays: digests, states and times; who asked, who decided and how; business keys and workflow ids; "
    "rules, rosters and tools; and the audit chain, which tells of every erasure"
)
ELSEWHERE = "yours to delete: backups, exports with content, notices that were sent, and what the MCP servers keep"


async def find_traces(subject: str, names: tuple[str, ...]) -> Traces:
    """What is kept about the subject. Raises Refused when nothing is, WrongInput for a run that nobody knows."""
    async with office_here() as office:
        return await _traces(office, subject, names)


async def erase(subject: str, names: tuple[str, ...], name: str) -> Traces:
    """Empty it; what that was. Raises Refused when something of it stands, or this person may not."""
    async with office_here() as office:
        found = await _traces(office, subject, names)
        if found.standing:
            raise _stands(found.standing)
        runs = tuple(each.run for each in found.erasable)
        now = datetime.now(UTC)
        _, by = await signatory(office, name, now, "this erasure")
        try:
            unsigned = Erasure(
                deployment=office.deployment,
                subject=await office.store.starts.pseudonym(subject),
                runs=digest_of_runs((run.workflow_id, run.first_run_id) for run in runs),
                by=by.subject,
                key_id=by.key.key_id if by.key else "",
                nonce=secrets.token_urlsafe(24),
                issued_at=now,
            )
        except ValidationError as error:
            raise option_problem(error, {"by": "--as"}) from error
        erasure = unsigned.model_copy(update={"signature": by.sign(SignedFor.ERASURE, unsigned)})
        try:
            return await office.store.erasing.erase(erasure, runs, now)
        except StillStands as stands:
            raise _stands(stands.traces) from stands


def lines_of(found: Traces) -> Iterator[str]:
    """One line for each run, and what can be erased of all of them."""
    for each in found.runs:
        yield f"{each.run.workflow_id}: {_standing(each)}"
    if found.erasable:
        yield f"can be erased: {counted(found)}"
    yield STAYS


def counted(traces: Traces) -> str:
    """How much that is."""
    runs = traces.erasable
    of_kind = [(name, sum(getattr(each, name) for each in runs)) for name in ("turns", "calls", "requests", "notices")]
    kept = [("runs", len(runs)), *of_kind, ("contents that nothing else refers to", traces.contents)]
    return ", ".join(f"{number} {name}" for name, number in kept)


def left_to_do(erased: tuple[Trace, ...]) -> Iterator[str]:
    """What an operator has to do elsewhere, and what stays because cases are told apart by it."""
    for each in erased:
        if each.keyed:
            yield f"the business key of {each.run.workflow_id} is the subject itself: it stays, and the run's name too"
    yield "Temporal keeps the input of these runs until its retention is over; to delete it now:"
    for name in dict.fromkeys(each.run.workflow_id for each in erased):
        query = as_argument(f'WorkflowId = "{name}"')
        yield f"  temporal workflow delete --reason erasure --query {query}"
    yield ELSEWHERE


async def _traces(office: "Office", subject: str, names: tuple[str, ...]) -> Traces:
    found = await office.store.erasing.traces(subject, names)
    known = {each.run.workflow_id for each in found.runs}
    if missing := [name for name in names if name not in known]:
        raise WrongInput(f"--run {missing[0]!r}: no run of that name was ever registered; see `interlock runs list`")
    if not found.runs:
        raise Refused(
            "no run was asked for by this subject, or names it in its input; where it stands elsewhere, in what a tool "
            "answered or a person said, name the run with --run RUN"
        )
    return found


def _stands(traces: tuple[Trace, ...]) -> Refused:
    told = "; ".join(f"{each.run.workflow_id}: {each.stands}" for each in traces)
    first = as_argument(traces[0].run.workflow_id)
    return Refused(f"nothing was erased. {told}. To cancel a run: interlock runs cancel {first} --reason WHY")


def _standing(trace: Trace) -> str:
    if trace.erased_at is not None:
        return f"was erased at {local_time(trace.erased_at)}"
    if trace.stands:
        return f"CANNOT BE ERASED NOW: {trace.stands}"
    parts = ("turns", "calls", "requests", "notices")
    return f"{trace.ending}; " + ", ".join(f"{getattr(trace, name)} {name}" for name in parts)
