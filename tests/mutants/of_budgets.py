"""What keeps a budget from being passed: every committed answer is counted, and only verified words add to it."""

from tests.mutants.protection import In

EXTENDING = In("activities/extending.py", "tests/activities/test_extending.py")
OWNERS = In("activities/owners.py", "tests/activities/test_extending.py")
ANSWERS = In("workers/resources/store/conversations.py", "tests/workers/store/test_conversations.py")
SPENDING = In("workers/resources/store/spending.py", "tests/workers/store/test_spending.py")
STORIES = "tests/workflows/test_budgets.py"
GOES_ON = f"{STORIES}::test_an_errand_that_has_spent_its_budget_goes_on_when_its_owners_extend_it"

OF_BUDGETS = (
    ANSWERS.off(
        "budget: an answer is counted in the transaction that commits it",
        "                count_turn(connection, run, spender, outcome.usage, at)\n",
        "                _ = count_turn\n",
        "test_an_answer_is_counted_as_spent_once_however_often_it_is_given[sqlite]",
    ),
    ANSWERS.off(
        "budget: of rivals only the one whose answer stands is counted",
        'if _ANSWER.run(connection, {**values, "own_address": address}) != 1:',
        'if _ANSWER.run(connection, {**values, "own_address": address}) < 0:',
        "test_an_answer_is_counted_as_spent_once_however_often_it_is_given[sqlite]",
    ),
    SPENDING.off(
        "budget: what one turn adds does not replace what others have added",
        "{name: SPENT.c[name] + new.excluded[name] for name in _COUNTED}",
        "{name: new.excluded[name] for name in _COUNTED}",
        "test_of_turns_that_are_counted_at_once_none_is_lost[sqlite]",
    ),
    SPENDING.off(
        "budget: an extension stands with its record",
        "                append(connection, record)\n",
        "                _ = append\n",
        "test_an_extension_is_added_once_and_auditors_are_told[sqlite]",
    ),
    SPENDING.off(
        "budget: an extension is told once",
        "if insert_new(connection, EXTENSIONS, row):",
        "if insert_new(connection, EXTENSIONS, row) or True:",
        "test_an_extension_is_added_once_and_auditors_are_told[sqlite]",
    ),
    EXTENDING.off(
        "budget: only the word that extends does",
        "if decision.verdict is not Verdict.EXTEND:",
        "if False:",
        "test_another_answer_to_the_request_extends_nothing",
    ),
    OWNERS.off(
        "budget: the answer that closed the request counts, and nobody else's",
        "if (request.outcome, request.by) == (decision.verdict.value, decision.approver):",
        "if request.outcome == decision.verdict.value:",
        "test_the_answer_that_closed_the_request_counts_and_nobody_elses",
    ),
    OWNERS.off(
        "budget: an extension is verified",
        "if problem := problem_with(decision, replace(about, taken_at=taken_at)):",
        "if problem := (taken_at and problem_with(decision, replace(about, taken_at=taken_at))):",
        "test_an_unsigned_extension_counts_in_development_only",
    ),
    In("activities/claude.py", STORIES).off(
        "budget: no turn is paid for once it is spent",
        "if standing.exhausted:",
        "if False:",
        GOES_ON,
    ),
    In("workflows/machine/automation.py", STORIES).off(
        "budget: the run goes on only when the word has counted",
        "        if refused := await self._not_extended(choice):\n",
        "        if refused := (await self._not_extended(choice)) * 0:\n",
        GOES_ON,
    ),
)
