"""What keeps a call without an answer from happening twice, or from being settled by somebody who may not."""

from tests.mutants.protection import In

CLASSES = "tests/activities/test_effect_classes.py"
LOST = In("activities/lost_answers.py", CLASSES)
LOOKED_FOR = In("activities/lost_answers.py", "tests/activities/test_lookups.py")
LOOKUPS = In("activities/looking_up.py", "tests/activities/test_lookups.py")
SENDING = In("activities/sending.py", "tests/activities/test_lookups.py")
RESOLVING = In("activities/resolving.py", "tests/activities/test_resolving.py")
OWNERS = In("activities/owners.py", "tests/activities/test_resolving.py")
EXTENDING = "tests/activities/test_extending.py"
LEDGER = In("workers/resources/store/ledger.py", "tests/workers/store/test_ledger.py")
STORIES = "tests/workflows/test_unknown_outcomes.py"

OF_LOST_ANSWERS = (
    LOST.off(
        "lost: what cannot be repeated is not",
        'return Course(Follow.ASK, "it was sent and no answer came; sending it again could do it twice")',
        "return Course(Follow.SEND)",
        "test_a_lost_answer_of_any_other_call_is_unknown_at_once_and_it_is_never_sent_again",
    ),
    LOST.off(
        "lost: within the server's memory of a key",
        "if age.total_seconds() < horizon:",
        "if horizon:",
        "test_a_keyed_call_is_repeated_within_half_of_the_servers_memory",
    ),
    LOST.off(
        "lost: so often",
        "if entry.sends >= IDEMPOTENT_SENDS or age > IDEMPOTENT_WITHIN:",
        "if age > IDEMPOTENT_WITHIN:",
        "test_an_idempotent_call_is_sent_five_times_at_most",
    ),
    LOST.off(
        "lost: for so long",
        "if entry.sends >= IDEMPOTENT_SENDS or age > IDEMPOTENT_WITHIN:",
        "if entry.sends >= IDEMPOTENT_SENDS:",
        "test_an_idempotent_call_is_repeated_within_ten_minutes",
    ),
    LOOKED_FOR.off(
        "lost: nothing newer is taken back",
        "    if overwritten:\n",
        "    if False:\n",
        "test_an_idempotent_call_is_not_repeated_over_a_newer_write_to_the_same",
    ),
    LOOKED_FOR.off(
        "lost: looked up once it must have appeared",
        'return Course(Follow.WAIT, "", settled - now) if settled > now else Course(Follow.LOOK_UP)',
        "return Course(Follow.LOOK_UP)",
        "test_nothing_is_looked_up_before_the_slowest_write_must_have_appeared",
    ),
    LOOKED_FOR.off(
        "lost: not found twice before it is sent again",
        "if entry.lookups < LOOKUPS:",
        "if entry.lookups < 1:",
        "test_an_order_that_appears_between_two_looks_is_adopted",
    ),
    LOOKED_FOR.off(
        "lost: looked up before it is sent again",
        "if entry.lookups < LOOKUPS:",
        "if False:",
        "test_what_is_found_after_all_is_adopted_and_never_sent_again",
    ),
    LOOKED_FOR.off(
        "lost: sent three times at most",
        "if entry.sends < LOOKED_UP_SENDS:",
        "if entry.sends:",
        "test_after_three_sends_that_were_never_found_people_are_asked",
    ),
    LOOKUPS.off(
        "lookup: an error is no answer",
        "return Seen() if lookup.none_is_error else Seen(unclear=",
        "return Seen() or Seen(unclear=",
        "test_an_unclear_answer_to_the_lookup_is_never_taken_for_not_found",
    ),
    LOOKUPS.off(
        "lookup: our own key",
        "value_at(each, lookup.match) == key]",
        "value_at(each, lookup.match)]",
        "test_another_order_than_ours_is_not_adopted",
    ),
    LOOKUPS.off(
        "lookup: found once",
        "if len(found) > 1:",
        "if False:",
        "test_found_twice_is_for_people_to_clear_up",
    ),
    LOOKUPS.off(
        "lookup: with a read",
        "if tool.effect_class is not EffectClass.READ:",
        "if False:",
        "test_what_is_to_be_looked_up_with_must_be_a_read",
    ),
    LOOKUPS.off(
        "lookup: a read taints",
        "        await self._taints.add(prepared.run, tool.taints, name, await self._clock.now())\n",
        "",
        "test_a_lookup_reads_and_taints_the_run_as_any_read_of_its_tool",
    ),
    SENDING.off(
        "sending: nothing that policy no longer permits",
        "case Follow.SEND if not forbidden:",
        "case Follow.SEND:",
        "test_what_policy_no_longer_permits_is_not_sent_again_though_it_was_not_found",
    ),
    SENDING.off(
        "sending: nothing leaves that others may have looked for",
        "if lag > prepared.definition.leaves_within_seconds:",
        "if lag > 5:",
        "test_a_worker_that_stood_still_does_not_send_what_others_may_have_looked_for",
    ),
    LOST.off(
        "lost: people are not asked while it may be answered",
        "return Course(Follow.WAIT, course.reason, over + GRACE - now) if over + GRACE > now else course",
        "return course",
        "test_people_are_not_asked_before_whoever_has_sent_it_must_have_had_an_answer",
    ),
    In("activities/sending.py", CLASSES).off(
        "sending: a no to a second send says nothing of the first",
        "if entry.sends > 1 and entry.effect_class in NOT_THE_SAME_ANSWER:",
        "if False:",
        "test_a_no_to_a_second_send_says_nothing_of_the_first_where_the_server_does_not_know_our_key",
    ),
    In("activities/tools.py", CLASSES).off(
        "gate: what was sent is not refused",
        "sent = await self._sent_unanswered(call)",
        "sent: LedgerEntry | None = None",
        "test_what_was_sent_is_not_said_to_be_refused_when_its_tool_has_changed_meanwhile",
    ),
    In("activities/tools.py", "tests/activities/test_gate.py").off(
        "gate: another action under the key of a sent one leaves it as it is",
        "if sent is not None and (prepared is None or prepared.action_digest == sent.action_digest):",
        "if sent is not None:",
        "test_another_action_under_the_key_of_one_that_was_sent_is_refused_and_says_nothing_of_it",
    ),
    In("activities/tools.py", "tests/activities/test_held_choices.py").off(
        "held: a step is not told that nothing was sent of what was sent",
        "if call.when_held is WhenHeld.REPORT and await self._sent_unanswered(call) is None:",
        "if call.when_held is WhenHeld.REPORT:",
        "test_a_step_is_not_told_that_nothing_was_sent_of_a_call_that_was_sent_and_never_answered",
    ),
    In("workflows/machine/automation.py", STORIES).off(
        "resolving: an answer that came meanwhile is not sent again",
        "else resolved.status is CallStatus.NOT_HAPPENED",
        "else choice.verdict is Verdict.DID_NOT_HAPPEN",
        "test_an_answer_that_comes_before_the_word_of_a_person_stands_and_nothing_is_sent_again",
    ),
    In("activities/sending.py", CLASSES).off(
        "sending: nothing leaves that others have given up",
        "            await self._leaves_in_time(prepared, entry)\n",
        "",
        "test_a_worker_that_stood_still_after_its_entry_does_not_send_what_others_have_given_up",
    ),
    In("workers/resources/mcp_connections/exchange.py", "tests/workers/resources/test_mcp_stdio.py").off(
        "sending: nothing leaves over a connection that took too long to open",
        "            _require_in_time(tool, asyncio.get_running_loop().time() - began)\n",
        "            _ = began\n",
        "test_a_call_that_is_looked_up_does_not_leave_over_a_connection_that_took_long_to_open",
    ),
    LEDGER.off(
        "ledger: a look counts once",
        '        LEDGER.c.lookups == bindparam("of_lookups"),\n',
        "",
        "test_a_look_that_found_nothing_is_counted_once_and_the_outcome_is_unknown",
    ),
    OWNERS.off(
        "owners: the word is verified",
        "if problem := problem_with(decision, replace(about, taken_at=taken_at)):",
        "if problem := (taken_at and problem_with(decision, replace(about, taken_at=taken_at))):",
        "test_a_word_that_was_changed_after_signing_does_not_count",
    ),
    OWNERS.off(
        "owners: an answer to just this question",
        "if request is None or request.kind is not kind:",
        "if request is None:",
        "test_an_answer_to_another_kind_of_request_says_nothing_of_what_happened",
    ),
    OWNERS.off(
        "owners: who may say so is not for the run to say",
        '"obligations": (owner,), ',
        "",
        "test_who_may_say_so_is_the_workers_knowledge_whatever_the_request_says",
    ),
    RESOLVING.off(
        "resolving: a proof",
        "if decision.verdict is Verdict.HAPPENED and not decision.note.strip():",
        "if False:",
        "test_it_happened_needs_a_proof",
    ),
    RESOLVING.off(
        "resolving: not while it is under way",
        "if entry.state is LedgerState.SENT:",
        "if False:",
        "test_what_is_under_way_again_is_waited_for",
    ),
    OWNERS.off(
        "owners: a withdrawn request takes no answer",
        "if (request.outcome, request.by) == (decision.verdict.value, decision.approver):",
        "if request.outcome:",
        "test_a_request_that_was_withdrawn_is_answered_by_nothing_any_more",
    ),
    OWNERS.off(
        "owners: a nonce counts once",
        "if not await self._decided.use(decision, approver, about.now):",
        "if await self._decided.use(decision, approver, about.now) is None:",
        f"{EXTENDING}::test_a_nonce_that_another_decision_has_used_extends_nothing",
    ),
)
