"""What Claude sees: the same at every try, nothing of another run, and nobody speaks for the machine."""

from tests.mutants.protection import In

CONTEXT = "tests/activities/test_context.py"
COMPOSING = In("activities/composing.py", "tests/activities/test_composing.py")
RESULTS = In("activities/turn_results.py", CONTEXT)
TURNS = In("activities/turns.py", CONTEXT)
CLAUDE = In("activities/claude.py", "tests/activities/test_claude.py")
CONVERSATIONS = In("workers/resources/store/conversations.py", "tests/workers/store/test_conversations.py")

OF_CONTEXT = (
    CLAUDE.off(
        "context: an answer in the store is not paid for again",
        "if standing is not None and standing.outcome is not None:",
        "if standing is None and standing is not None:",
        "test_an_answered_turn_is_not_paid_for_again",
    ),
    TURNS.off(
        "context: nothing in a fact ends the element it stands in",
        '.replace("<", "\\\\u003c")',
        "",
        "test_no_fact_can_end_the_element_it_stands_in",
    ),
    TURNS.off(
        "context: what people said stays in sight",
        "folded = standing.with_turns(earlier, before)",
        "folded = standing.with_turns((), before)",
        "test_what_people_said_stays_in_sight_when_its_turn_is_not_shown",
    ),
    RESULTS.off(
        "context: a reference names a result of its own conversation",
        "await self._entry(run, conversation, request.ref.removeprefix",
        'await self._entry(run, "errand", request.ref.removeprefix',
        "test_no_reference_reaches_what_another_run_or_conversation_has_read",
    ),
    RESULTS.off(
        "context: auditors learn what is read again",
        "        await self._tell(run, conversation, occurrence, request)\n",
        "",
        "test_claude_reads_on_in_a_result_without_asking_the_server",
    ),
    COMPOSING.off(
        "context: thinking goes back to its own model alone",
        'if delta.asked_of in ("", model):',
        "if True:",
        "test_thinking_goes_back_to_the_model_that_thought_and_to_no_other",
    ),
    COMPOSING.off(
        "context: a result answers a call that is shown",
        "if delta.turn == cuts.folded:",
        "if delta.turn < 0:",
        "test_every_result_answers_a_call_of_the_message_before_wherever_the_cuts_are",
    ),
    CONVERSATIONS.off(
        "context: an answer stands with its record",
        "            append(connection, _told(run, name, asked, assistant, address, outcome, at))\n",
        "",
        "test_auditors_are_told_of_every_answer_once_with_its_address[sqlite]",
    ),
    CONVERSATIONS.off(
        "context: an address stands for everything before it",
        "[before, side_digest(user)",
        '["", side_digest(user)',
        "test_an_answer_is_named_by_a_digest_of_everything_up_to_it[sqlite]",
    ),
    In("workers/resources/audit/rows.py", "tests/workers/store/test_audit_of_conversations.py").off(
        "context: a turn that was changed shows",
        'values |= {"asked": side_digest(row["user"]), "said": side_digest(row["assistant"] or [])}',
        "pass",
        "test_a_turn_that_was_changed_in_the_store_is_found_out[sqlite-user]",
    ),
)
