"""What runs, terminals and private files do not do without: messages that cannot harm, deadlines that never say yes."""

from tests.mutants.protection import In

MESSAGES = "tests/workflows/test_messages.py"
APPROVAL = "tests/workflows/test_refund_approval.py"
TAKING = In("workflows/machine/decisions.py", MESSAGES)
GUARD = In("workflows/machine/guard.py", MESSAGES)
APPROVALS = In("workflows/machine/approvals.py", APPROVAL)
AUTOMATION = In("workflows/machine/automation.py", MESSAGES)
DEFINITION = In("workflows/machine/definition.py", "tests/machine/test_definition.py")
TRIPS = "tests/workflows/test_trip_failing.py"
CANCELLED = "tests/workflows/test_refund_cancelled.py"
UNDONE = "tests/workflows/test_trip_undone.py"
COMPENSATION = In("workflows/machine/compensation.py", TRIPS)
FAILING = In("workflows/machine/automation.py", TRIPS)
STEPS = In("workflows/steps.py", TRIPS)
READING = In("workflows/reading.py", "tests/workflows/test_reading.py")
REFUND = In("workflows/refund/workflow.py", APPROVAL)
ESCAPING = In("contracts/escaping.py", "tests/contracts/test_escaping.py")
PRIVATE_FILES = In("cli/private_files.py", "tests/cli/test_keys.py")
KEY_FILE = In("workers/resources/key_file.py", "tests/workers/resources/test_key_file.py")

MESSAGES_THAT_ARRIVE = (
    TAKING.off(
        "run: an update that does not fit costs nothing",
        "if problem := self._problem_with(decision) or on_sight(decision):",
        "if problem := '':",
        "test_malformed_updates_are_rejected_at_once_and_leave_no_trace",
        "test_a_forged_update_is_refused_before_it_is_an_event",
    ),
    TAKING.off(
        "run: a forged update is seen at once",
        "if problem := self._problem_with(decision) or on_sight(decision):",
        "if problem := self._problem_with(decision):",
        "test_a_forged_update_is_refused_before_it_is_an_event",
    ),
    TAKING.off(
        "run: a decision is for what was asked",
        "if getattr(decision, field) != value:",
        "if False:",
        "test_decisions_that_do_not_fit_the_request_are_refused_with_the_reason",
    ),
    TAKING.off(
        "run: a hundred wait and no more",
        "if len(self.case.inbox) >= MAX_INBOX:",
        "if False:",
        "test_at_most_a_hundred_decisions_wait_to_be_checked",
    ),
    TAKING.off(
        "run: a decision has a size",
        "if len(raw.payload.data) > MAX_DECISION_BYTES:",
        "if False:",
        "test_malformed_signals_are_noted_with_their_reason_and_a_valid_decision_still_counts",
    ),
    TAKING.off(
        "run: a late decision is refused",
        "if decision.expires_at <= workflow.now():",
        "if False:",
        "test_a_decision_that_comes_after_its_own_expiry_is_refused",
    ),
    GUARD.off(
        "run: an update has one argument",
        "if len(input.args) != 1:",
        "if False:",
        "test_malformed_updates_are_rejected_at_once_and_leave_no_trace",
    ),
)

WAITING = (
    APPROVALS.off(
        "run: a deadline never says yes",
        "Answer(**_about(request), outcome=EXPIRED)",
        'Answer(**_about(request), outcome="approved")',
        "test_a_refund_nobody_answers_expires_after_two_days",
    ),
    APPROVALS.off(
        "run: only what was checked counts",
        "if request is None or not checked.counts:",
        "if request is None:",
        "test_whoever_asked_for_a_refund_may_not_approve_it",
    ),
    APPROVALS.off(
        "run: a quorum is waited for",
        "if not checked.fulfilled:",
        "if False:",
        "test_over_a_thousand_two_people_must_approve",
    ),
    AUTOMATION.off(
        "run: without a proved start nothing begins",
        "first = BuiltIn.CANCELLED if registered.refused else self.machine.initial",
        "first = self.machine.initial",
        "test_nothing_unsigned_counts_in_production",
    ),
    READING.off(
        "audit: states are told before a run forgets them",
        " or untold > MOST_UNTOLD_VISITS:",
        ":",
        "test_states_are_told_to_auditors_before_a_run_forgets_them_however_much_it_reads",
    ),
    DEFINITION.off(
        "run: only declared moves",
        "if following not in declared:",
        "if False:",
        "test_an_undeclared_move_is_refused_naming_both_ends_and_changes_nothing",
    ),
    REFUND.off(
        "run: changed facts void an approval",
        "        if not changes:\n",
        "        if True:\n",
        "test_an_approval_is_void_when_the_order_changed_while_people_thought",
    ),
)

_REGISTERED = (
    '        compensation.register(self, "the credit", "payments", "reverse_credit", by_this_run(self.case.order))\n'
)

UNDOING = (
    COMPENSATION.off(
        "undo: the newest first",
        "newest = run.case.compensations[-1]\n        await _until_due",
        "newest = run.case.compensations[0]\n        "
        "run.note(compensations=(*run.case.compensations[1:], newest))\n        await _until_due",
        "test_where_everything_is_to_be_undone_it_is_newest_first_and_the_named_state_follows",
    ),
    COMPENSATION.off(
        "undo: what a rule forbids is not tried again and again",
        "hopeless = failure.ask_people or failure.by_policy",
        "hopeless = failure.ask_people",
        f"{UNDONE}::test_policy_may_forbid_an_undo_and_people_are_told_by_which_rule",
    ),
    COMPENSATION.off(
        "undo: one that may have happened is not tried again by itself",
        "hopeless = failure.ask_people or failure.by_policy",
        "hopeless = failure.by_policy",
        f"{UNDONE}::test_an_undo_of_which_nobody_knows_whether_it_happened_is_not_tried_again_by_itself",
    ),
    COMPENSATION.off(
        "undo: a handler cannot undo what nobody knows of",
        "if failure.ask_people or isinstance(failure, UndoFailed):",
        "if isinstance(failure, UndoFailed):",
        "test_a_step_of_which_nobody_knows_whether_it_happened_is_put_to_people_whatever_was_chosen",
    ),
    FAILING.off(
        "undo: what nobody knows is never undone by itself",
        "if isinstance(rule, UndoAll) and not failure.ask_people:",
        "if isinstance(rule, UndoAll):",
        "test_a_step_of_which_nobody_knows_whether_it_happened_is_put_to_people_whatever_was_chosen",
        "test_a_call_without_an_outcome_is_put_to_people_since_an_earlier_attempt_may_have_sent_it",
    ),
    FAILING.off(
        "run: what nobody knows is never tried again by itself",
        "hopeless = failure.ask_people or failure.by_policy",
        "hopeless = failure.by_policy",
        "test_a_step_of_which_nobody_knows_whether_it_happened_is_put_to_people_whatever_was_chosen",
    ),
    STEPS.off(
        "run: a call without an outcome may have been sent",
        "sends = method is ToolActivities.call_tool",
        "sends = False",
        "test_a_call_without_an_outcome_is_put_to_people_since_an_earlier_attempt_may_have_sent_it",
    ),
    STEPS.off(
        "undo: shielded from the cancel that it follows",
        "is not None and not run.case.cancelling:",
        "is not None:",
        f"{UNDONE}::test_cancels_that_come_while_everything_is_undone_change_only_the_ending",
    ),
    FAILING.off(
        "undo: a second cancel changes nothing",
        "        if not self.case.cancelling:  #",
        "        if True:  #",
        f"{UNDONE}::test_a_second_cancel_leaves_the_question_to_people_and_the_reason_as_they_are",
    ),
    FAILING.off(
        "undo: begun, it goes on where it stood",
        "if self.case.cancelling or self.case.undoing_to:",
        "if self.case.cancelling:",
        f"{UNDONE}::test_undoing_goes_on_where_it_stood_in_a_run_that_continued_as_new",
    ),
    REFUND.off(
        "undo: registered before the effect",
        _REGISTERED + "        issued = await make_call(self, credit)\n",
        "        issued = await make_call(self, credit)\n" + _REGISTERED,
        f"{CANCELLED}::test_a_call_in_flight_is_waited_for_when_the_run_is_cancelled_and_then_undone",
    ),
    DEFINITION.off(
        "undo: nothing is done again under a key that is used up",
        "elif state in self._reachable_from(rule.to):",
        "elif False:",
        "test_a_mistake_is_refused_at_import_naming_the_state",
    ),
)

_VISIBLE = 'if category[0] in "LN" or category in ('

SEEING = (
    ESCAPING.off(
        "escaping: nothing turns text round",
        _VISIBLE,
        f'{_VISIBLE}"Cf", ',
        "test_what_an_eye_would_miss_becomes_a_code",
        "test_of_every_code_point_there_is_only_a_visible_one_comes_through",
    ),
    ESCAPING.off(
        "escaping: nothing controls a terminal",
        _VISIBLE,
        f'{_VISIBLE}"Cc", ',
        "test_no_code_point_leaves_anything_that_a_terminal_acts_on",
    ),
    ESCAPING.off(
        "escaping: no marks over other letters",
        _VISIBLE,
        f'{_VISIBLE}"Mn", ',
        "test_of_every_code_point_there_is_only_a_visible_one_comes_through",
    ),
    ESCAPING.off(
        "escaping: no letters that nobody sees",
        "return character if character not in _UNSEEN else _code(character)",
        "return character",
        "test_of_every_code_point_there_is_only_a_visible_one_comes_through",
    ),
    ESCAPING.off(
        "escaping: no Markdown",
        ".translate(_MARKDOWN))",
        ")",
        "test_in_a_table_cell_hostile_text_is_only_text",
    ),
)

KEYS = (
    PRIVATE_FILES.off(
        "keys: a file others may read is not used",
        "if facts.st_mode & _FOR_OTHERS:",
        "if False:",
        "test_a_key_file_that_others_may_touch_is_refused_with_the_way_out",
    ),
    PRIVATE_FILES.off(
        "keys: a folder open to others is not used",
        "if mode & _FOR_OTHERS:",
        "if False:",
        "test_a_folder_that_is_open_to_others_is_refused_with_the_way_out",
    ),
    PRIVATE_FILES.off(
        "keys: files are made for their owner alone",
        "with _whole(folder, content.encode(), 0o600) as written:",
        "with _whole(folder, content.encode(), 0o644) as written:",
        "test_a_key_file_and_its_folder_are_for_their_owner_alone",
    ),
    KEY_FILE.off(
        "keys: the key of checkpoints is its owner's alone",
        "if mode & (stat.S_IRWXG | stat.S_IRWXO) and not path.resolve().is_relative_to(MOUNTED):",
        "if False:",
        "test_a_key_file_that_others_may_read_is_refused_with_the_way_out",
    ),
    KEY_FILE.off(
        "keys: mounted secrets are where they are mounted",
        "path.resolve().is_relative_to(MOUNTED)",
        "path.is_relative_to(MOUNTED)",
        "test_where_secrets_are_mounted_any_mode_will_do_and_no_other_file_is_reached_from_there",
    ),
)

OF_RUNS = (*MESSAGES_THAT_ARRIVE, *WAITING, *UNDOING, *SEEING, *KEYS)
