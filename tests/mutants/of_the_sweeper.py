"""What the sweeper does not do without: one at a time, no living run, nothing released that was sent."""

from tests.mutants.protection import In

SWEEPING = In("workers/sweeping.py", "tests/workers/test_sweeping.py")
FATES = In("workers/resources/fates.py", "tests/workers/test_runs_swept.py")
UNSETTLED = In("workers/resources/store/unsettled.py", "tests/workers/store/test_unsettled.py")
LEASES = In("workers/resources/store/leases.py", "tests/workers/store/test_unsettled.py")
PEOPLE = In("activities/people.py", "tests/workers/test_runs_swept.py")
STARTING = In("cli/starting.py", "tests/cli/test_orphans.py")

OF_THE_SWEEPER = (
    LEASES.off(
        "sweeper: one worker for all of them",
        "or_(LEASES.c.owner == _OWNER, LEASES.c.until <= _NOW)",
        "or_(LEASES.c.owner == _OWNER, LEASES.c.until >= _NOW)",
        "test_one_of_any_number_of_workers_holds_a_lease[sqlite]",
    ),
    SWEEPING.off(
        "sweeper: whoever has no lease does nothing",
        "        if not await self._hold(now):\n            return None\n",
        "        await self._hold(now)\n",
        "test_one_worker_sweeps_for_all_and_another_one_when_it_is_gone",
    ),
    SWEEPING.off(
        "sweeper: a living run settles its own affairs",
        "if fate.standing is Standing.RUNNING:",
        "if False:",
        "test_a_running_run_is_never_touched",
    ),
    SWEEPING.off(
        "sweeper: what was under way comes to its end first",
        "if max(left.changed_at, fate.closed_at or left.changed_at) > now - self._bounds.grace:",
        "if False:",
        "test_a_run_is_left_alone_until_what_it_had_under_way_is_over",
    ),
    SWEEPING.off(
        "sweeper: the ending of a run's own stays",
        "if not left.ending:  # last",
        "if True:  # last",
        "test_the_ending_that_a_run_has_recorded_itself_stays",
    ),
    FATES.off(
        "sweeper: the chain counts, not the name",
        "if first == run.first_run_id:",
        "if True:",
        "test_a_run_is_not_taken_for_another_one_of_its_name",
    ),
    FATES.off(
        "sweeper: a namespace that is not there is no answer",
        "if error.status is not RPCStatusCode.NOT_FOUND or _of_the_namespace(error):",
        "if error.status is not RPCStatusCode.NOT_FOUND:",
        "test_without_its_namespace_nothing_is_said_of_a_run",
    ),
    FATES.off(
        "sweeper: a busy run is not asked what it holds",
        "if before is None or not _is_idle(before):",
        "if before is None:",
        "test_a_run_that_does_anything_is_not_asked_what_it_waits_for",
    ),
    UNSETTLED.off(
        "sweeper: what was sent is not released",
        "    if state is LedgerState.CLAIMED:\n        return LedgerState.ABANDONED, NEVER_SENT\n",
        "    if state is not LedgerState.UNKNOWN:\n        return LedgerState.ABANDONED, NEVER_SENT\n",
        "test_what_was_never_sent_is_abandoned_and_what_was_sent_stays_unknown[sqlite]",
        "test_an_answer_that_comes_after_all_is_recorded[sqlite]",
    ),
    UNSETTLED.off(
        "sweeper: what was sent goes on counting",
        "of_them = and_(LEDGER.c.key.in_(actions), may_have_happened)",
        "of_them = and_(LEDGER.c.key.in_(actions), LEDGER.c.state == '')",
        "test_what_was_reserved_is_given_back_where_nothing_was_sent[sqlite]",
    ),
    UNSETTLED.off(
        "sweeper: what was given up after it was sent goes on counting",
        "or_(LEDGER.c.state != LedgerState.ABANDONED.value, LEDGER.c.sends > 0)",
        "LEDGER.c.state != LedgerState.ABANDONED.value",
        "test_a_call_that_people_gave_up_after_it_was_sent_goes_on_counting[sqlite]",
    ),
    UNSETTLED.off(
        "sweeper: an entry is settled as it was seen",
        '        LEDGER.c.state == bindparam("from_state"),\n'
        '        LEDGER.c.generation == bindparam("of_generation"),\n',
        "",
        "test_what_is_sent_at_this_very_moment_is_not_abandoned[sqlite]",
    ),
    PEOPLE.off(
        "sweeper: an old answer answers no new question",
        "used=another or standing.closed_at is not None,",
        "used=False,",
        "test_an_answer_from_before_a_reset_is_not_taken_for_one_now[reject]",
    ),
    PEOPLE.off(
        "sweeper: a number stands for one question",
        "another = standing.display_digest != digest(question.shown)",
        "another = False",
        "test_what_a_reset_run_no_longer_holds_is_closed_and_it_asks_anew",
    ),
    STARTING.off(
        "sweeper: a run that was reset is not started beside itself",
        "    if under_way:\n        raise Refused(",
        "    if under_way and not known.starts:\n        raise Refused(",
        "test_a_case_that_was_terminated_and_then_reset_is_under_way_and_not_started_twice",
    ),
)
