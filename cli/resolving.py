"""Find the request by which a run asks what came of a call that was never answered."""

from cli.exits import Refused, WrongInput
from cli.outside import as_argument
from contracts.decisions import ApprovalRequest, RequestKind, Verdict
from contracts.runs import RunView


def verdict_of(happened: bool, did_not_happen: bool, abandon: bool) -> Verdict:
    """The one that was given. Raises WrongInput unless it is one."""
    answers = {
        Verdict.HAPPENED: happened,
        Verdict.DID_NOT_HAPPEN: did_not_happen,
        Verdict.ABANDON: abandon,
    }
    given = [verdict for verdict, wanted in answers.items() if wanted]
    if len(given) != 1:
        raise WrongInput("say what came of the call: one of --happened, --did-not-happen and --abandon")
    return given[0]


def find_unanswered(view: RunView, action: str) -> ApprovalRequest:
    """The open request about `action`: a request's ID or number, a tool, or how an action digest begins.

    An empty `action` is the only one that is open. Raises Refused, naming those that are.
    """
    run = view.workflow_id
    waiting = [request for request in view.waiting_for if request.kind is RequestKind.OUTCOME]
    if not waiting:
        raise Refused(
            f"nothing has to be found out for {run}; see where it stands: interlock runs show {as_argument(run)}"
        )
    found = [request for request in waiting if not action or _is_about(request, action)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(f"{request.id} ({request.title[:120]})" for request in waiting)
    problem = f"{action!r} names {len(found) or 'none'} of them" if action else "name the one that is meant"
    raise Refused(f"{run} waits to learn of {len(waiting)} calls, and {problem}: {listed}")


def _is_about(request: ApprovalRequest, action: str) -> bool:
    digest = request.action_digest.removeprefix("sha256:")
    begins = len(action) >= 6 and digest.startswith(action.removeprefix("sha256:"))
    named = action in (request.id, request.id.rpartition("#")[2])
    return named or begins or f" {action} " in f"{request.title} "
