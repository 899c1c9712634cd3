"""What keeps a child run a child: its parent's own entry, Temporal's word, and nothing that widens on the way down."""

from tests.mutants.protection import In

ACTIVITIES = In("activities/children.py", "tests/activities/test_children.py")
CLAUDE = In("activities/claude.py", "tests/activities/test_children.py")
BUDGETS = In("activities/budgets.py", "tests/activities/test_children.py")
ENTITLEMENT = In("activities/entitlement.py", "tests/activities/test_entitlement.py")
STORE = In("workers/resources/store/children.py", "tests/workers/store/test_children.py")
TAINTS = In("workers/resources/store/taints.py", "tests/workers/store/test_children.py")
SPENDING = In("workers/resources/store/spending.py", "tests/workers/store/test_children.py")
STEP = In("workflows/children.py", "tests/workflows/test_child_runs.py")
MACHINE = In("workflows/machine/automation.py", "tests/workflows/test_child_runs.py")
CATALOG = In("workflows/catalog.py", "tests/machine/test_catalog.py")
APART = "tests/workers/test_children_apart.py"
DEEP = "test_a_run_stands_neither_inside_its_own_kind_nor_deeper_than_four"
TAKEN = "test_a_case_is_taken_from_nobody_but_an_earlier_child_of_the_same_step_that_is_over"
FORGED = f"{APART}::test_a_run_that_only_says_it_is_a_child_is_refused_and_has_no_effect"
PASSES = "test_taint_passes_down_when_a_child_begins_and_up_before_it_reads[sqlite]"

OF_CHILDREN = (
    ACTIVITIES.off(
        "children: a child is exactly what its parent has entered",
        "if entry is None or entry.start != start:",
        "if entry is None:",
        "test_a_child_is_exactly_what_its_parent_has_entered",
    ),
    ACTIVITIES.off(
        "children: Temporal names the same parent",
        "if parent != entry.parent:",
        "if False:",
        "test_a_run_that_temporal_does_not_call_the_child_of_its_parent_is_none",
        FORGED,
    ),
    ACTIVITIES.off(
        "children: an automation names those that it may start",
        "if wanted.automation not in self._may_start.get(automation, ()):",
        "if False:",
        "test_what_a_run_may_not_start_is_not_entered",
    ),
    ACTIVITIES.off("children: none inside its own kind", "if wanted.automation in around:", "if False:", DEEP),
    ACTIVITIES.off("children: at most four deep", "if len(around) > MOST_AROUND:", "if False:", DEEP),
    ACTIVITIES.off(
        "children: a case is taken from nobody else",
        "if holder is None or (holder.parent, holder.step) != (parent, wanted.step):",
        "if holder is None:",
        TAKEN,
    ),
    ACTIVITIES.off("children: none beside one that is under way", "if not known.ending:", "if False:", TAKEN),
    ACTIVITIES.off(
        "children: nothing begins for what is frozen",
        '            await hold_if_frozen(self._freezes, automation, "", "")\n',
        "            _ = hold_if_frozen, automation\n",
        "test_a_freeze_over_either_of_them_holds_the_child",
    ),
    ACTIVITIES.off(
        "children: none once the budget of the parent is spent",
        "        if standing.exhausted:\n",
        "        if False:\n",
        "test_a_child_asks_claude_no_more_once_a_budget_around_it_is_spent",
    ),
    ACTIVITIES.off(
        "children: one step starts one child",
        "if (standing.start.automation, standing.start.input_digest) != (wanted.automation, digest(wanted.request)):",
        "if standing.start.automation != wanted.automation:",
        "test_one_step_starts_one_child_whatever_is_asked_for_next",
    ),
    ACTIVITIES.off(
        "children: the ending of another run is none of theirs",
        "return found.run.first_run_id == entry.first_run_id if entry.first_run_id else found.parent == parent",
        "return bool(found.run and parent)",
        "test_what_is_no_ending_of_the_child_is_not_taken_for_one",
    ),
    CLAUDE.off(
        "children: no turn once a budget around it is spent",
        "if standing.exhausted_around:",
        "if False:",
        "test_a_child_asks_claude_no_more_once_a_budget_around_it_is_spent",
    ),
    BUDGETS.off(
        "children: what people add to a child its parent does not get",
        'for line in self._own)\n        return self.model_copy(update={"lines": (*more, *around)})',
        'for line in self.lines)\n        return self.model_copy(update={"lines": (*more, *([] and around))})',
        "test_a_child_asks_claude_no_more_once_a_budget_around_it_is_spent",
    ),
    ENTITLEMENT.off(
        "children: whoever owns what is around it does not approve",
        "return (request.automation, *(each.automation for each in start.inside))",
        "return (request.automation,)",
        "test_who_owns_an_automation_around_a_run_may_not_approve_what_it_does",
    ),
    STORE.off(
        "children: none begins once its parent has ended",
        'if row["erased_at"] is not None or (row["ended_at"] is not None and row["ended_at"] >= row["entered_at"]):',
        "if False:",
        "test_a_parent_that_has_ended_or_was_erased_since_has_no_more_children[sqlite]",
    ),
    STORE.off(
        "children: an entry stands with its record",
        "                append(connection, _entered(entry, at))\n",
        "                _ = append, _entered\n",
        "test_a_child_is_entered_once_and_auditors_are_told[sqlite]",
    ),
    STORE.off(
        "children: a child begins with what its parent has read",
        "    return _inherit(connection, record.run, parent, at)\n",
        "    return [] and _inherit(connection, record.run, parent, at)\n",
        PASSES,
    ),
    TAINTS.off(
        "children: what a child reads taints what is around it",
        "for each in runs_around(connection, run))]",
        "for each in runs_around(connection, run)[:0])]",
        PASSES,
    ),
    In("workers/resources/store/load.py", "tests/workers/store/test_load.py").off(
        "children: who waits for one takes no place",
        "_WAITS = or_(_ASKS_PEOPLE, _WAITS_FOR_A_CHILD)",
        "_WAITS = or_(_ASKS_PEOPLE)",
        "test_a_run_that_waits_for_its_child_is_not_active_and_its_child_is[sqlite]",
    ),
    SPENDING.off(
        "children: what a child spends counts for what is around it",
        "for around in spender.inside:",
        "for around in spender.inside[:0]:",
        "test_what_is_spent_inside_a_run_counts_for_it_and_for_no_day_of_its_automation[sqlite]",
    ),
    MACHINE.off(
        "children: no continuing as new while one is under way",
        "kept = self.case.waits_for_children or bool(self.case.inbox)",
        "kept = bool(self.case.inbox)",
        "test_a_parent_does_not_continue_as_new_while_its_child_is_under_way_and_the_child_does",
    ),
    STEP.off(
        "children: a cancelled parent waits for what its child undoes",
        "ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED",
        "ChildWorkflowCancellationType.TRY_CANCEL",
        "test_a_claim_that_is_cancelled_cancels_its_refund_and_waits_for_what_that_undoes",
    ),
    STEP.off(
        "children: a child stops with its parent",
        "ParentClosePolicy.REQUEST_CANCEL",
        "ParentClosePolicy.ABANDON",
        f"{APART}::test_a_refund_whose_claim_is_stopped_in_the_web_ui_stops_and_undoes_what_it_did[terminate]",
    ),
    STEP.off(
        "children: a reset parent starts none a second time",
        "WorkflowIDReusePolicy.REJECT_DUPLICATE",
        "WorkflowIDReusePolicy.ALLOW_DUPLICATE",
        f"{APART}::test_a_claim_that_is_reset_once_its_refund_is_over_takes_the_ending_and_credits_once",
    ),
    CATALOG.off(
        "children: the catalog has no circle",
        "if child in inside:",
        "if False and child in inside:",
        "test_children_that_cannot_be_are_refused_when_the_automations_are_loaded",
    ),
)
