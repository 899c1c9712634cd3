"""What keeps a change to production to the plan that people have signed, and data from being deleted too easily."""

from tests.mutants.protection import In

STORIES = "tests/workflows/test_operations_change.py"
UNDONE = "tests/workflows/test_operations_change_undone.py"
PLANS = In("activities/plans.py", "tests/activities/test_plans.py")
PLAN = In("workflows/operations_change/plan.py", STORIES)
CHANGE = In("workflows/operations_change/workflow.py", STORIES)
LOOKING = In("workflows/operations_change/workflow.py", UNDONE)
KINDS = In("workflows/operations_change/kinds.py", UNDONE)
DOES_NOT_HOLD = "test_a_plan_that_does_not_hold_is_made_anew_once_and_claude_is_told_why"
SOMETHING_ELSE = "test_a_plan_that_lists_something_else_approves_nothing"
ARCHIVE = In("demo/mcp_servers/archive/stacks.py", "tests/demo/test_operations_servers.py")

OF_CHANGES = (
    PLANS.off(
        "plans: a call that a plan lists",
        "return named if listed else prepared.action_digest",
        "return named",
        SOMETHING_ELSE,
        "test_a_call_that_is_not_exactly_the_one_in_the_plan_needs_signatures_of_its_own",
    ),
    PLANS.off(
        "plans: what people read is what is bound",
        'return read == (f"{action.server}.{action.tool}", action.arguments, prepared.action_digest)',
        "return read[2] == prepared.action_digest",
        SOMETHING_ELSE,
    ),
    PLANS.off(
        "plans: a listed call is made once",
        'return read == (f"{action.server}.{action.tool}", action.arguments, prepared.action_digest)',
        'return read[:2] == (f"{action.server}.{action.tool}", action.arguments)',
        SOMETHING_ELSE,
        "test_a_call_that_is_not_exactly_the_one_in_the_plan_needs_signatures_of_its_own",
    ),
    PLANS.off(
        "plans: a plan is carried out first",
        "if plan is None or not await self._carried_out(plan, named):",
        "if plan is None:",
        "test_a_call_that_a_signed_plan_lists_rests_on_its_signatures_once_the_plan_is_carried_out",
        "test_a_plan_that_its_server_refused_approves_nothing",
    ),
    PLANS.off(
        "plans: a tool that an operator has named",
        'argument = self._toolbox.rules(plan.server).plans.get(plan.tool, "")',
        'argument = "steps"',
        "test_only_a_tool_that_an_operator_has_named_takes_plans",
    ),
    PLAN.off(
        "change: values that were asked for or read",
        "if value not in [each.arguments[name] for each in of_tool]:",
        "if False:",
        DOES_NOT_HOLD,
    ),
    PLAN.off("change: the undo of each step", "if step.undo != meant.undo:", "if False:", DOES_NOT_HOLD),
    PLAN.off("change: every step is checked", "if step.checked.get(name) != value:", "if False:", DOES_NOT_HOLD),
    PLAN.off("change: the order of the steps", "if places != sorted(places):", "if False:", DOES_NOT_HOLD),
    CHANGE.off(
        "change: two roles sign",
        "if len(people_demanded(ruling.obligations)) < ROLES_THAT_SIGN:",
        "if False:",
        "test_a_plan_that_policy_does_not_let_two_roles_sign_is_declined",
    ),
    CHANGE.off(
        "change: what was signed is still so",
        "if not (changes := self.case.changes_to(await self._read())):",
        "if not (changes := self.case.changes_to(await self._read()) and ''):",
        "test_signatures_are_void_when_what_is_to_be_changed_has_changed_meanwhile",
    ),
    LOOKING.off(
        "change: each step is checked",
        "            await self._settled(number)\n",
        "",
        "test_a_deployment_that_does_not_stay_healthy_is_rolled_back",
    ),
    LOOKING.off(
        "change: a last look",
        "if why := self.case.kept_because(now, self._reference):",
        "if why := self.case.kept_because(now, self._reference) and '':",
        "test_what_came_under_legal_hold_is_kept_without_anybody_being_asked",
        "test_what_has_changed_since_it_was_approved_is_kept",
    ),
    LOOKING.off(
        "change: somebody confirms the last look",
        "if ruling.effect is not RulingEffect.NEEDS_APPROVAL:\n            return self._keep",
        "if False:\n            return self._keep",
        "test_where_policy_asks_nobody_for_a_last_look_nothing_is_purged",
    ),
    LOOKING.off(
        "change: nothing changes while people look",
        "if changes := differences(now, await self._read()):",
        "if changes := differences(now, await self._read()) and '':",
        "test_what_changes_while_people_look_is_kept_though_they_confirm",
    ),
    KINDS.off(
        "change: a legal hold",
        'if now["legal_hold"] is not None:',
        "if False:",
        "test_what_came_under_legal_hold_is_kept_without_anybody_being_asked",
    ),
    ARCHIVE.off(
        "archive: data is kept for as long as was said",
        "if self._clock() < found.purge_from:",
        "if False:",
        "test_a_dataset_is_marked_kept_a_while_and_purged_for_good_as_it_was_looked_at",
        f"{UNDONE}::test_nothing_is_purged_before_it_has_cooled_off_whatever_the_run_says",
    ),
)
