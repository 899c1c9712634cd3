"""What the Web UI and the lists show of a run: search attributes, and the current details as Markdown."""

from collections.abc import Iterable, Mapping

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from contracts.decisions import ApprovalRequest, RequestKind
from contracts.escaping import markdown, plain
from contracts.runs import BuiltIn, Case, ChildRun
from workflows.machine.compensation import left

AUTOMATION = SearchAttributeKey.for_keyword("InterlockAutomation")
STATE = SearchAttributeKey.for_keyword("InterlockState")
REQUESTER = SearchAttributeKey.for_keyword("InterlockRequester")

SHOWN_VISITS = 20
_ASKED = {
    RequestKind.APPROVAL: "a decision",
    RequestKind.ESCALATION: "a choice",
    RequestKind.OUTCOME: "somebody to find out",
}


def publish_start(automation: str, state: str, requester_pseudonym: str) -> None:
    """Make the run findable: the three search attributes, in one history event."""
    workflow.upsert_search_attributes(
        [AUTOMATION.value_set(automation), STATE.value_set(state), REQUESTER.value_set(requester_pseudonym)]
    )


def publish_state(state: str) -> None:
    """Change the state by which lists find the run; one history event."""
    workflow.upsert_search_attributes([STATE.value_set(state)])


def publish_details(case: Case, facts: Mapping[str, str]) -> None:
    """Show the state path, what is waited for, who may decide and how. No history event."""
    workflow.set_current_details("\n".join(_details(case, facts)))


def _details(case: Case, facts: Mapping[str, str]) -> Iterable[str]:
    yield f"**{markdown(case.summary)}**"
    yield ""
    yield f"### {_words(case.state)}"
    if case.reason:
        yield markdown(case.reason)
        yield ""
    yield "Path: " + " → ".join(_words(visit.state) for visit in case.path[-SHOWN_VISITS:])
    for request in case.requests:
        yield from _waiting_for(request)
    if case.wait is not None:
        yield ""
        yield f"#### Waiting for {markdown(case.wait.what)}"
        yield f"- until: {case.wait.until:%Y-%m-%d %H:%M} UTC"
    for child in case.child_runs:
        if not child.ending:
            yield from _waiting_for_child(child)
    yield from _table(case, facts)
    for refusal in case.refusals:
        yield f"\n{markdown(refusal.tool)} was forbidden: {markdown(refusal.reason)}"
        if refusal.allowing_rule:
            yield f"\nThis rule would allow it:\n\n```\n{plain(refusal.allowing_rule)}\n```"


def _waiting_for(request: ApprovalRequest) -> Iterable[str]:
    asked = _ASKED[request.kind]
    yield ""
    yield f"#### Waiting for {asked}: {markdown(request.title)}"
    for obligation in request.obligations:
        people = "one person" if obligation.quorum == 1 else f"{obligation.quorum} people"
        yield f"- who: {people} as {markdown(obligation.role)} (rule {markdown(obligation.rule_id)})"
    yield (f"- until: {request.deadline:%Y-%m-%d %H:%M} UTC" if request.deadline else "- until: somebody answers")
    if request.remind_at is not None:
        yield f"- reminder: {request.remind_at:%Y-%m-%d %H:%M} UTC"
    next_roles = ", ".join(dict.fromkeys(one.hand_on_to for one in request.obligations if one.hand_on_to))
    if request.handed_on:
        yield f"- handed on: {markdown(next_roles)} may decide as well"
    elif request.hand_on_at is not None:
        yield f"- handed on to {markdown(next_roles)}: {request.hand_on_at:%Y-%m-%d %H:%M} UTC"
    yield f"- answers: {', '.join(option.value for option in request.options)}"
    yield f"- read it: `interlock approvals show {request.id}`"
    yield f"- or send the signal `decide` with what `interlock approvals sign {request.id} --print` prints"


def _waiting_for_child(child: ChildRun) -> Iterable[str]:
    yield ""
    yield f"#### Waiting for the child run {markdown(child.workflow_id)} ({markdown(child.step)})"
    if child.asks:
        yield f"- it asks people: {markdown(child.asks, 400)}"
    yield f"- where it stands, and whom it waits for: `interlock runs show {child.workflow_id}`"
    yield "- what it asks people is answered there, by whoever may decide for it and for this run"


def _table(case: Case, facts: Mapping[str, str]) -> Iterable[str]:
    yield ""
    yield "| | |"
    yield "|---|---|"
    for name, value in facts.items():
        yield f"| {markdown(name)} | {markdown(value, 300)} |"
    yield f"| requester | {markdown(case.start.requester)} |"
    if case.start.inside:
        around = " > ".join(each.workflow_id for each in case.start.inside)
        yield f"| inside the run | {markdown(around, 300)} |"
    for child in case.child_runs:
        if child.ending:
            yield f"| {markdown(child.step)}: {markdown(child.workflow_id)} | {markdown(child.ending)} |"
    yield f"| turns with Claude, tool calls | {case.turns}, {case.tool_calls} |"
    yield f"| tokens in, out | {case.usage.all_input_tokens}, {case.usage.output_tokens} |"
    yield f"| read from the cache | {case.usage.cached_percent} % of the tokens in |"
    yield f"| cost | {case.usage.cost_micros / 1_000_000:.4f} |"
    if case.taint:
        yield f"| has read | {markdown(' and '.join(case.taint))} content |"
    if case.tries_again_at is not None:
        yield f"| tried again by itself | {case.tries_again_at:%Y-%m-%d %H:%M:%S} UTC |"
    if case.undone:
        yield f"| undone | {markdown(', '.join(case.undone))} |"
    if case.compensations:
        label = "not undone" if left(case) else "would be undone"
        yield f"| {label} | {markdown(', '.join(undo.undoes for undo in reversed(case.compensations)))} |"
    if case.refused_count:
        last = case.refused_decisions[-1]
        yield f"| refused decisions | {case.refused_count}; the last: {markdown(last.reason, 300)} |"


def _words(state: str) -> str:
    return state.replace("_", " ") if state != BuiltIn.ESCALATED else "escalated (a person must choose)"
