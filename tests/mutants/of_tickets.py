"""What keeps a ticket from giving more than was asked for, or on the word of somebody who only claims a promise."""

from tests.mutants.protection import In

STORIES = "tests/workflows/test_support_escalation.py"
WORKFLOW = In("workflows/support_escalation/workflow.py", STORIES)
CREDIT = In("workflows/support_escalation/workflow.py", "tests/workflows/test_support_credit.py")
LEAD = In("workflows/support_escalation/workflow.py", "tests/workflows/test_support_lead.py")
CANCELLED = In("workflows/support_escalation/workflow.py", "tests/workflows/test_support_cancelled.py")
CASE = In("workflows/support_escalation/case.py", "tests/workflows/test_support_case.py")
CRM = In("demo/mcp_servers/crm/cards.py", STORIES)
ROLE = In("demo/mcp_servers/full_text.py", "tests/demo/test_support_servers.py")

OF_TICKETS = (
    WORKFLOW.off(
        "tickets: a promise stands in a note, whatever Claude says",
        "or await self._not_on_file(proposal):",
        "or False:",
        "test_a_promise_that_stands_in_no_note_of_this_customer_goes_to_a_person[no such note]",
        "test_a_promise_that_stands_in_no_note_of_this_customer_goes_to_a_person[other words]",
    ),
    CRM.off(
        "tickets: a note is the customer's own",
        "texts = {note.note_id: _plain(note.text) for note in self.notes_of(customer_id).notes}",
        "texts = {\n"
        "            note.note_id: _plain(note.text)\n"
        "            for each in world.CUSTOMERS\n"
        "            for note in self.notes_of(each.customer_id).notes\n"
        "        }",
        "tests/demo/test_support_servers.py::test_words_stand_in_a_note_of_this_customer_or_they_are_missing",
    ),
    CASE.off(
        "tickets: a claimed promise is an exception",
        "        if promise.note_id is None:\n            yield",
        "        if False:\n            yield",
        "test_a_promise_that_is_claimed_lapsed_or_another_one_is_an_exception",
    ),
    CASE.off(
        "tickets: a promise binds no longer than it says",
        "promise.until is not None and promise.until < today",
        "False",
        "test_a_promise_that_is_claimed_lapsed_or_another_one_is_an_exception",
    ),
    CASE.off(
        "tickets: a promise that binds is kept in full",
        "if promise.note_id is not None and promise.cents > given:",
        "if False:",
        "test_less_than_was_promised_is_given_only_by_a_person",
    ),
    LEAD.off(
        "tickets: not even a lead gives more than was asked for",
        "problem = self.case.out_of_bounds(chosen)",
        'problem = ""',
        "test_nobody_gives_more_than_was_asked_for_and_a_choice_that_does_not_fit_is_asked_for_again",
    ),
    CREDIT.off(
        "tickets: a refund is asked for with what was decided",
        "limit_cents=settlement.cents)",
        "limit_cents=100_000_000)",
        "test_a_refund_gives_no_more_than_was_decided_for_the_ticket_whatever_claude_advises_in_it",
    ),
    CREDIT.off(
        "tickets: the books are read back",
        "check_outcome(await self._differences())",
        "await self._differences()",
        "test_a_credit_that_is_not_what_was_promised_is_found_out_and_seen_to_by_hand",
    ),
    WORKFLOW.off(
        "tickets: what has changed is looked at again",
        "if changed := await self._changed() or await self._rule_missing(settlement):",
        "if changed := await self._rule_missing(settlement):",
        "test_what_has_changed_since_it_was_decided_is_not_done_before_a_person_has_looked",
    ),
    CANCELLED.off(
        "tickets: a replacement can be taken back before it is ordered",
        'compensation.register(self, f"the replacement of {settlement.sku}", "orders", "cancel_replacement", item)',
        "compensation",
        "test_a_ticket_that_is_cancelled_while_it_is_escalated_takes_back_what_it_has_ordered",
    ),
    ROLE.off(
        "tickets: whoever reads the documentation writes nothing",
        "?mode=ro",
        "?mode=rwc",
        "test_a_role_that_reads_is_kept_from_writing_by_the_file_and_by_every_statement",
    ),
    ROLE.off(
        "tickets: whoever reads the documentation reads what is published",
        "return sqlite3.SQLITE_OK if mine else sqlite3.SQLITE_DENY",
        "return sqlite3.SQLITE_OK",
        "test_a_role_reads_the_views_that_it_is_given_and_nothing_behind_them",
    ),
)
