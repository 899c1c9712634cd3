"""What is told of deaths in the states of automations: by the books of the servers, and by what nobody reached."""

from collections import Counter
from random import Random

import pytest

from tests.demo_servers import Row, Rows
from tests.faults.dying import Death, When
from tests.faults.journeys import JOURNEYS
from tests.faults.states import BY_THE_CLOCK, Walked, in_each_state, on_every_way, rows, shortcomings
from tests.faults.ways.books import differences
from tests.faults.ways.checkouts import CHECKOUTS
from tests.faults.ways.journey import Effects
from workflows.catalog import Catalog

A_GUEST_LEAVES = CHECKOUTS[0]


ENTRY = (("number", 1), ("booking_number", "B-2041"), ("cents", 45_050))
OTHER = (("number", 2), *ENTRY[1:])
EXPECTED: Effects = {"compliance.entries": ({"booking_number": "B-2041", "cents": 45_050},)}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([], [ENTRY], []),
        ([], [], ["lost: compliance.entries has no {'booking_number': 'B-2041', 'cents': 45050}"]),
        ([], [ENTRY, OTHER], [f"more than there should be: compliance.entries has {dict(OTHER)}"]),
        ([ENTRY], [OTHER], []),
        ([ENTRY, OTHER], [OTHER], ["rows of compliance.entries are gone", "lost: compliance.entries has no "]),
    ],
)
def test_the_books_tell_of_an_effect_that_is_lost_or_done_twice(
    before: list[Row], after: list[Row], said: list[str]
) -> None:
    found = list(differences({"compliance.entries": before}, {"compliance.entries": after}, EXPECTED))
    assert len(found) == len(said)
    assert all(problem.startswith(expected) for problem, expected in zip(found, said, strict=True))


def test_a_table_of_which_nothing_was_expected_must_be_as_it_was() -> None:
    before: Rows = {"mail.mails": [], "payments.answers": []}
    after: Rows = {"mail.mails": [(("recipient", "x@example.com"),)], "payments.answers": [(("idempotency_key", "k"),)]}
    assert list(differences(before, after, {})) == [
        "more than there should be: mail.mails has {'recipient': 'x@example.com'}"
    ]


def test_a_state_in_which_nobody_died_and_an_automation_without_a_way_are_told() -> None:
    death = Death(state="settling", when=When.AFTER)
    walked = [Walked(A_GUEST_LEAVES, death, died=True), Walked(A_GUEST_LEAVES, Death(state="x", when=When.AFTER))]
    told = list(shortcomings(walked, Catalog.load()))
    assert "no worker was killed in guest_checkout validating" in told
    assert "no worker was killed in guest_checkout settling" not in told
    assert "no way through refund is written down in tests/faults/ways/" in told
    assert any(each.startswith("nobody died: guest_checkout, a guest leaves: after activity 1 in x") for each in told)
    assert next(iter(rows(walked))) == "guest_checkout: 2 runs, 1 workers killed in: settling 1"


def test_each_state_of_an_automation_is_drawn_once_whatever_number_of_ways_lead_through_it() -> None:
    ways = [each for each in JOURNEYS if each.automation in ("guest_checkout", "refund")]
    in_peace = [Walked(way, None, activities=Counter({"validating": 2, way.ending: 1})) for way in ways]
    drawn = in_each_state(in_peace, Random(7))
    places = [(journey.automation, death.state) for journey, death in drawn]
    assert sorted(places) == sorted({(way.automation, state) for way in ways for state in ("validating", way.ending)})
    assert {death.nth for _, death in drawn} <= {1, 2}
    assert len(on_every_way(in_peace, Random(7))) == 2 * len(ways)


def test_which_way_leads_to_a_death_is_drawn_by_the_seed() -> None:
    in_peace = [Walked(way, None, activities=Counter({"validating": 3})) for way in JOURNEYS]
    assert in_each_state(in_peace, Random(7)) == in_each_state(in_peace, Random(7))
    assert in_each_state(in_peace, Random(7)) != in_each_state(in_peace, Random(8))


def test_every_way_has_a_name_of_its_own_and_is_one_of_the_catalogs() -> None:
    names = [journey.name for journey in JOURNEYS]
    assert len(set(names)) == len(names)
    for journey in JOURNEYS:
        entry = Catalog.load().find(journey.automation)
        assert entry.request.model_validate(journey.request)
        assert journey.ending in {*(state.value for state in entry.machine.states), "cancelled", "undo_incomplete"}


def test_a_way_leads_to_every_ending_of_every_automation_but_to_those_that_take_days() -> None:
    reached = {(journey.automation, journey.ending) for journey in JOURNEYS} | BY_THE_CLOCK
    for entry in Catalog.load().entries():
        endings = {(entry.name, state.value) for state in entry.machine.states if entry.machine.is_final(state)}
        assert endings - reached == set()


def test_what_only_days_lead_to_is_a_state_of_its_automation() -> None:
    for automation, state in BY_THE_CLOCK:
        assert Catalog.load().find(automation).machine.named(state)
