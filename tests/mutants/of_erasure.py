"""What erasing somebody does not do without: nobody else loses anything, and nothing else passes for an erasure."""

from tests.mutants.protection import In

ERASING = In("workers/resources/store/erasing.py", "tests/workers/store/test_erasing.py")
TRACES = In("workers/resources/store/traces.py", ERASING.tests)
SHARING = In("workers/resources/store/sharing.py", ERASING.tests)
CONTENTS = In("workers/resources/store/contents.py", ERASING.tests)
STARTS = In("workers/resources/store/starts.py", ERASING.tests)
OUTBOX = In("workers/resources/store/outbox.py", ERASING.tests)
VERIFICATION = In("workers/resources/audit/verification.py", ERASING.tests)
LEFT = In("workers/resources/audit/left.py", ERASING.tests)
ORDERING = In("cli/erasing.py", "tests/cli/test_erasing.py")

OF_ERASURE = (
    ERASING.off(
        "erasure: contents of another run survive",
        "    stored -= named_elsewhere(connection, stored, runs | erased_runs(connection))\n",
        "",
        "test_contents_of_another_run_survive_until_that_one_is_erased_too[sqlite]",
    ),
    SHARING.off(
        "erasure: what is in force is never erased",
        "named = _in_force(connection) & set(addresses)",
        "named: set[str] = set()",
        "test_what_is_in_force_is_never_erased_even_where_a_tool_has_answered_with_it[sqlite]",
    ),
    TRACES.off(
        "erasure: a run under way is refused",
        'if start["ending"] is None:',
        "if False:",
        "test_a_run_under_way_is_refused_and_then_nothing_is_erased_at_all[sqlite]",
    ),
    TRACES.off(
        "erasure: what nobody knows is found out first",
        "if _unknown_effects(connection, run) and not _acknowledged(connection, run):",
        "if False:",
        "test_an_effect_of_which_nobody_knows_keeps_its_run_until_somebody_has_seen_to_it[sqlite]",
    ),
    ERASING.off(
        "erasure: it stands with its record",
        "append(connection, erasure_record(erasure, erased, at), *records)",
        "pass",
        "test_auditors_are_told_who_erased_how_much_and_never_whom[sqlite]",
        "test_what_was_erased_is_noted_by_a_verification_and_is_no_tampering[sqlite]",
    ),
    ERASING.off(
        "erasure: an old answer serves nobody else",
        "arguments={}, outcome=outcome, question=None",
        "arguments={}, outcome=outcome",
        "test_an_erased_answer_serves_nobody_else_who_asks_the_same[sqlite]",
    ),
    ERASING.off(
        "erasure: nothing is left in the file",
        "            overwrite_what_is_freed(connection)\n",
        "",
        "test_after_an_erasure_the_file_holds_no_word_of_the_subject_either[sqlite]",
    ),
    ERASING.off(
        "erasure: nothing is left in the log of the file",
        "        await asyncio.to_thread(self._database.forget_now)\n",
        "",
        "test_after_an_erasure_the_file_holds_no_word_of_the_subject_either[sqlite]",
    ),
    CONTENTS.off(
        "erasure: what others put anew stands",
        'set_={"content": put.excluded.content, "erased_at": None},',
        'set_={"erased_at": CONTENTS.c.erased_at},',
        "test_what_is_put_anew_stands_again_for_whoever_has_put_it[sqlite]",
    ),
    STARTS.off(
        "erasure: an erased run has no effect",
        "_NOT_ERASED = Prepared(select(STARTS).where(*_OF_RUN, STARTS.c.erased_at.is_(None)))",
        "_NOT_ERASED = _START",
        "test_an_erased_run_has_no_start_record_and_is_not_registered_again_when_it_is_reset[sqlite]",
    ),
    OUTBOX.off(
        "erasure: an erased notice is not sent",
        "        OUTBOX.c.last_problem != ERASED,\n",
        "",
        "test_a_notice_that_was_not_sent_yet_never_is_whoever_asks_for_it[sqlite]",
    ),
    VERIFICATION.off(
        "audit: only an erasure empties a content",
        "elif address not in accounts.erased_contents:",
        "elif False:",
        "test_a_content_that_was_emptied_without_an_erasure_is_tampering[sqlite]",
    ),
    LEFT.off(
        "audit: what an erasure has left stands",
        'if left_digest(self._rows[run]) != told.values["left"]:',
        "if False:",
        "test_what_an_erasure_has_left_may_be_changed_as_little_as_anything[sqlite]",
    ),
    ORDERING.off(
        "erasure: it is signed by an operator",
        'unsigned.model_copy(update={"signature": by.sign(SignedFor.ERASURE, unsigned)})',
        "unsigned",
        "test_in_production_an_operator_signs_it_and_nobody_else_can",
    ),
)
