"""What spares a server that is not well, and every other one: breakers, rates, places, and who counts what."""

from tests.mutants.protection import In

DEAD_MINUTE = (
    "tests/workers/store/test_dead_minute.py::"
    "test_a_server_that_is_dead_for_a_minute_is_left_in_peace_and_found_again[sqlite-calls fail]"
)
BREAKER = In("activities/breakers.py", "tests/activities/test_breakers.py")
ADMISSION = In("activities/admission.py", "tests/activities/test_admission.py")
SENDING = In("activities/sending.py", "tests/activities/test_admission.py")
BREAKERS = In("workers/resources/store/breakers.py", "tests/workers/store/test_breakers.py")
TOOLBOX = In("workers/resources/mcp_connections/toolbox.py", "tests/workers/resources/test_server_rules.py")

HELD_CHOICES = "tests/activities/test_held_choices.py"
INSTEAD = In("activities/tools.py", HELD_CHOICES)

OF_BREAKERS = (
    BREAKER.off(
        "breaker: calls of an older generation count no more",
        "if leave.breaker.generation != breaker.generation:",
        "if False:",
        "test_what_a_call_of_an_older_generation_comes_to_changes_nothing",
    ),
    BREAKER.off(
        "breaker: one looks at a time",
        "if probed or (",
        "if (",
        "test_it_is_refused_until_its_time_and_then_one_of_all_callers_looks",
        DEAD_MINUTE,
    ),
    BREAKER.off(
        "breaker: a probe that was overtaken",
        "if breaker.probe_owner != leave.owner:",
        "if False:",
        "test_a_probe_whose_lease_has_run_out_is_anothers_and_what_it_comes_to_is_nobodys",
    ),
    BREAKER.off(
        "breaker: a full window of healthy calls",
        "recovered = len(outcomes) == rule.window and ",
        "recovered = ",
        "test_only_a_full_window_of_healthy_calls_makes_it_forget_how_often_it_has_opened",
    ),
    BREAKER.off(
        "breaker: failures of ten minutes",
        "if at - outcome.at <= REMEMBERED)",
        ")",
        "test_what_is_older_than_ten_minutes_counts_no_more",
    ),
    BREAKERS.off(
        "breaker: the probe is won under the row's lock",
        "won, leave = admit(before, owner, at)",
        "won, leave = admit(standing, owner, at)",
        "test_whoever_has_read_too_early_does_not_look_as_well[sqlite]",
    ),
    BREAKERS.off(
        "breaker: every outcome is shifted in under the row's lock",
        "after = record(before, rule, leave, report, at, jitter)",
        "after = record(standing, rule, leave, report, at, jitter)",
        "test_whoever_has_read_too_early_takes_no_failure_away[sqlite]",
    ),
    BREAKERS.off(
        "breaker: a change stands with its record",
        "append(connection, _told(after, at, report))",
        "_ = _told(after, at, report)",
        "test_opening_probing_and_closing_are_told_to_auditors_without_what_the_server_said[sqlite]",
    ),
)

OF_ADMISSION = (
    ADMISSION.off(
        "admission: nothing goes to a server whose breaker is open",
        "if leave.may is not May.CALL:",
        "if False:",
        "test_once_open_nothing_reaches_the_server_and_the_message_says_why_since_and_until_when",
        DEAD_MINUTE,
    ),
    ADMISSION.off(
        "admission: so many calls at a time",
        "if self._taken[server] >= limits.concurrency:",
        "if False:",
        "test_more_calls_than_places_are_held_without_waiting",
        "test_a_server_whose_calls_all_hang_never_starves_another",
    ),
    ADMISSION.off(
        "admission: a refusal is an answer",
        "    if isinstance(failure, ServerRefused):\n        return Report()\n",
        "    if isinstance(failure, ServerRefused):\n        return Report(trouble=Trouble.NO_ANSWER)\n",
        "test_any_answer_shows_that_the_server_is_well",
    ),
    ADMISSION.off(
        "admission: a busy server is well",
        "        case Health.HEALTHY:\n            return Report()\n",
        "        case Health.HEALTHY:\n            return Report(trouble=Trouble.NOT_REACHED)\n",
        "test_a_server_that_is_too_busy_is_well",
    ),
    ADMISSION.off(
        "admission: what lies with us is not counted",
        "        case Health.UNTOLD:\n            return None\n",
        "        case Health.UNTOLD:\n            return Report(trouble=Trouble.NOT_REACHED)\n",
        "test_a_missing_credential_says_nothing_of_the_server",
    ),
    SENDING.off(
        "admission: a token before anything is sent",
        "await admitted.to_send()",
        "_ = admitted.to_send",
        "test_a_call_beyond_the_rate_is_held_before_it_is_sent_and_goes_when_there_is_a_token",
    ),
    TOOLBOX.off(
        "admission: a probe asks the server",
        "self._ways[server].expire()",
        "_ = self._ways[server].expire",
        "test_a_probe_asks_a_stdio_server_also_when_its_tools_are_known",
    ),
)

OF_HELD = (
    INSTEAD.off(
        "held: an old answer for whom policy lets read now",
        "if permission is None or permission.ruling.effect is not RulingEffect.PERMIT:",
        "if permission is None:",
        "test_an_old_answer_is_read_only_by_whom_policy_lets_read_now",
    ),
    In("activities/sending.py", HELD_CHOICES).off(
        "held: an old answer to a read alone",
        "    if definition.effect_class is not EffectClass.READ:\n        return None\n    asked:",
        "    asked:",
        "test_an_effect_is_never_answered_by_an_old_answer",
    ),
    In("activities/sending.py", HELD_CHOICES).off(
        "held: an old answer taints",
        "        tainted = await self._taint(prepared)\n        age",
        "        tainted = False\n        age",
        "test_an_old_answer_taints_as_the_new_one_would",
    ),
    In("workers/resources/store/ledger.py", HELD_CHOICES).off(
        "held: an old answer stays as old as it is",
        "if not each.outcome.age_seconds",
        "if True",
        "test_an_old_answer_does_not_become_younger_by_serving_again",
    ),
    In("workflows/catalog.py", "tests/machine/test_catalog.py").off(
        "catalog: machinery is not redefined",
        "if taken := sorted(_redefined(automation)):",
        "if taken := []:",
        "test_an_automation_that_lacks_something_is_refused_saying_what",
    ),
)

OF_SERVERS = (*OF_BREAKERS, *OF_ADMISSION, *OF_HELD)
