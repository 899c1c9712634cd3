"""What keeps a guest's money and room from an automation that goes wrong half-way."""

from tests.mutants.protection import In

STORIES = "tests/workflows/test_guest_checkout.py"
CHECKOUT = In("workflows/guest_checkout/workflow.py", STORIES)
BOOKS = In("workflows/books.py", STORIES)
CASE = In("workflows/guest_checkout/case.py", STORIES)
PAYMENTS = In("demo/mcp_servers/payments/authorisations.py", "tests/demo/test_hotel_servers.py")
BY_ROOM = f"{STORIES}::test_a_stay_that_is_asked_for_by_guest_and_room_meanwhile_is_not_charged_again"

OF_CHECKOUTS = (
    CHECKOUT.off(
        "checkout: the stay holds before anything is charged",
        "if problem := self.case.problem:",
        "if (problem := self.case.problem) and False:",
        "test_nothing_is_charged_before_the_stay_holds",
    ),
    BOOKS.off(
        "checkout: an undo is registered before its effect",
        "    compensation.register(run, what, server, undo, by_this_run(named))\n",
        "",
        "test_a_step_that_fails_is_not_passed_over_and_what_was_done_is_undone_by_the_run_itself",
    ),
    BOOKS.off(
        "checkout: a step that did not do it has failed",
        'done(await call_tool(run, server, tool, by_this_run(named) | more), f"{server}.{tool}")',
        "await call_tool(run, server, tool, by_this_run(named) | more)",
        "test_a_step_that_fails_is_not_passed_over_and_what_was_done_is_undone_by_the_run_itself",
    ),
    CASE.off(
        "checkout: the case is the booking",
        'return self.booking_number or f"',
        'return self.idempotency_token or f"',
        "test_a_checkout_is_known_by_its_booking_and_without_one_by_guest_and_room",
        "test_a_second_start_for_the_booking_does_nothing_whatever_its_token",
    ),
    PAYMENTS.off(
        "checkout: a booking has one payment",
        '            _refuse_second(_found(connection, "booking_number", booking_number))\n',
        "",
        "test_a_booking_has_one_payment_at_a_time",
        BY_ROOM,
    ),
    PAYMENTS.off(
        "checkout: a token stands for one payment",
        '            _refuse_token(_found(connection, "client_token", client_token), asked)\n',
        "",
        "test_a_token_stands_for_one_payment_for_good_and_the_difference_is_named",
    ),
)
