"""What keeps papers, accounts and people from an onboarding that believes what it is told."""

from tests.mutants.protection import In

STORIES = "tests/workflows/test_onboarding.py"
SIGNED = "tests/workflows/test_onboarding_signed.py"
UNDONE = "tests/workflows/test_onboarding_undone.py"
CASE = In("workflows/employee_onboarding/case.py", STORIES)
PAPERS = In("workflows/employee_onboarding/papers.py", STORIES)
DELIVERIES = In("workflows/deliveries.py", STORIES)
ONBOARDING = In("workflows/employee_onboarding/workflow.py", SIGNED)
WITHDRAWAL = In("workflows/employee_onboarding/workflow.py", UNDONE)
UNTRUE = "test_a_delivery_that_is_not_true_is_refused_says_why_and_changes_nothing"

OF_ONBOARDINGS = (
    CASE.off(
        "onboarding: a paper is the one whose digest was told",
        "    if digest != delivery.digest:",
        "    if False:",
        UNTRUE,
    ),
    CASE.off(
        "onboarding: a paper is of the kind that was told",
        "    if kind != delivery.kind:",
        "    if False:",
        UNTRUE,
    ),
    PAPERS.off(
        "onboarding: a paper stands in the records before it counts",
        "        if found.status is CallStatus.SAID_NO:\n            return refusal(delivery, found.message, now)\n",
        "        if found.status is CallStatus.SAID_NO:\n            return taken(delivery, found.message, now)\n",
        UNTRUE,
        f"{UNDONE}::test_nobody_withdraws_by_word_alone",
    ),
    PAPERS.off(
        "onboarding: a paper counts once",
        "        if stands and (stands.reference, stands.digest) == (delivery.reference, delivery.digest):",
        "        if False:",
        "test_a_paper_that_is_delivered_twice_counts_once",
    ),
    PAPERS.off(
        "onboarding: only what is missing is asked for",
        "for kind in self.case.missing]",
        "for kind in PaperKind if kind is not PaperKind.WITHDRAWAL]",
        "test_only_what_is_missing_is_asked_for_and_what_comes_is_taken",
    ),
    PAPERS.off(
        "onboarding: reminders wait for working time",
        "following = await next_working_moment(self, workflow.now() + REMIND_AFTER, self.case.request.calendar)",
        "following = workflow.now() + REMIND_AFTER",
        "test_a_reminder_that_would_fall_on_days_off_waits_for_the_next_morning",
    ),
    PAPERS.off(
        "onboarding: there are so many reminders and no more",
        "        if self.case.asked > MOST_REMINDERS:",
        "        if False:",
        "test_after_so_many_reminders_human_resources_choose_and_may_ask_anew",
    ),
    DELIVERIES.off(
        "onboarding: a malformed delivery is noted and dropped",
        "        except (ValueError, TypeError, LookupError, RuntimeError) as error:\n"
        "            self._keep_answer(refusal(None, _first_line(error), workflow.now()))\n            return\n",
        "        except LookupError:\n            return\n",
        "test_malformed_deliveries_never_wedge_a_run",
    ),
    DELIVERIES.off(
        "onboarding: a sender is answered though the run is busy",
        "delivery not in self.case.deliveries or not self._looks()",
        "delivery not in self.case.deliveries",
        "test_a_letter_that_could_not_be_written_is_written_later",
    ),
    ONBOARDING.off(
        "onboarding: what people were shown is read again",
        "        if not changes:\n            return State.PROVISIONING\n",
        "        if changes or not changes:\n            return State.PROVISIONING\n",
        "test_what_people_were_shown_is_read_again_and_a_change_voids_what_they_signed",
    ),
    WITHDRAWAL.off(
        "onboarding: the undo of the accounts is registered before they are created",
        '        compensation.register(self, "the accounts", "identity", "disable_accounts", self.mine)\n',
        "",
        "test_whoever_withdraws_before_the_first_day_leaves_no_account_and_no_ticket",
    ),
    WITHDRAWAL.off(
        "onboarding: the undo of the tickets is registered before they are opened",
        '        compensation.register(self, "the tickets", "tickets", "close_tickets", self.mine)\n',
        "",
        "test_whoever_withdraws_before_the_first_day_leaves_no_account_and_no_ticket",
    ),
)
