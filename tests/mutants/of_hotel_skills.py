"""What keeps the hotel's small automations from doing a thing twice, for the wrong guest, or against a checkout."""

from tests.mutants.protection import In

STORIES = "tests/workflows/test_hotel_skills.py"
REFUSED = "tests/workflows/test_hotel_skills_refused.py"
COMPENSATED = "tests/workflows/test_compensate_checkout_failure.py"
BOOKS = In("workflows/books.py", REFUSED)
HOTEL = In("workflows/hotel.py", REFUSED)
CHECK_IN = In("workflows/check_in_guest.py", REFUSED)
CONTACT = In("workflows/upsert_contact.py", REFUSED)
SERVICE = In("workflows/submit_guest_service_request.py", REFUSED)
MAINTENANCE = In("workflows/submit_maintenance_request.py", REFUSED)
CASE = In("workflows/compensate_checkout_failure/case.py", COMPENSATED)
COMPENSATION = In("workflows/compensate_checkout_failure/workflow.py", COMPENSATED)
BOARD = In("demo/mcp_servers/housekeeping/requests.py", "tests/demo/test_hotel_desk.py")
ON_THE_BOARD = "test_a_request_is_entered_once_per_key_token_and_open_type_and_is_withdrawn_by_its_own"

OF_HOTEL_SKILLS = (
    HOTEL.off(
        "request: the case is who wants what where",
        "words = (self.person, self.room_number, self.type, self.description)",
        "words = (self.idempotency_token,)",
        "test_a_request_is_known_by_who_wants_what_where",
        "test_the_same_matter_is_the_same_case_whatever_its_token",
    ),
    BOOKS.off(
        "skill: the books are read back",
        "    check_outcome(_wrong(server, expected, found))\n",
        "",
        f"{STORIES}::test_a_step_that_was_taken_back_behind_its_back_is_noticed",
    ),
    CHECK_IN.off(
        "check-in: stay, day, room and payment hold before anybody is let in",
        "if problem := self.case.problem:",
        "if (problem := self.case.problem) and False:",
        "test_nobody_is_let_in_but_the_guest_who_is_expected_today_into_a_clean_room",
    ),
    CHECK_IN.off(
        "check-in: an old one does not answer for the next stay",
        'if number is None and given.data.get("check_in_date") is None:',
        "if False:",
        "test_a_check_in_that_names_no_stay_is_refused_with_the_way_out",
    ),
    CONTACT.off(
        "contact: what cannot be so is not written",
        "if problem := self.case.problem:",
        "if (problem := self.case.problem) and False:",
        "test_a_contact_that_cannot_be_so_is_not_written",
    ),
    SERVICE.off(
        "service request: nobody is sent to another guest's room",
        "if problem := self.case.problem:",
        "if (problem := self.case.problem) and False:",
        "test_nobody_is_sent_to_a_room_that_is_not_the_guests",
    ),
    MAINTENANCE.off(
        "maintenance request: a room that earns money is not closed for what can wait",
        'return self.request.priority == "urgent" and vacant',
        "return vacant",
        "test_a_room_is_closed_only_when_it_is_urgent_and_vacant_and_people_are_told_otherwise",
    ),
    BOARD.off(
        "board: a token stands for one request",
        '            _refuse_token(_requests(connection, wanted.department, "client_token", client_token), wanted)\n',
        "",
        ON_THE_BOARD,
        f"{REFUSED}::test_a_token_that_is_used_again_for_another_matter_is_refused_and_the_difference_named",
    ),
    COMPENSATION.off(
        "compensation: a checkout that is under way is not fought",
        "if runs.under_way:",
        "if False:",
        "test_a_checkout_that_is_under_way_holds_the_case_and_is_waited_for",
    ),
    CASE.off(
        "compensation: nor is one of the same stay by another name",
        "return tuple(business_key_of(each) for each in asked)",
        "return ()",
        "test_a_checkout_of_the_same_stay_by_another_name_holds_the_case_too",
    ),
    COMPENSATION.off(
        "compensation: what ended well is not taken back without giving the money back",
        "if self.case.ended_well and not self.case.stands:",
        "if False:",
        "test_a_checkout_that_ended_well_and_was_paid_back_is_not_taken_back_without_money",
    ),
    COMPENSATION.off(
        "compensation: facts that changed void the approval",
        'return self._looks_again(f"it changed meanwhile: {changes}") if changes else State.RELEASING',
        "return State.RELEASING",
        "test_an_approval_is_asked_anew_when_it_was_returned_or_the_facts_have_changed",
    ),
    CASE.off(
        "compensation: only what that checkout has done is taken back",
        "return tuple(each[:4] for each in every if each[4] == self.checkout)",
        "return tuple(each[:4] for each in every)",
        "test_where_a_checkout_has_undone_itself_nothing_is_left_to_do",
    ),
    CASE.off(
        "compensation: it is the payment of this guest",
        "if not same_name(self.paid.guest_email, self.request.guest_email):",
        "if False:",
        "test_a_payment_that_is_not_this_guests_is_left_alone",
    ),
    COMPENSATION.off(
        "compensation: nothing is said to be undone that still stands",
        '        check_outcome([f"{what} still stands" for what in self.case.left])\n',
        "",
        "test_what_people_say_to_have_put_right_by_hand_is_taken_for_it",
    ),
)
