"""Where a conversation is shortened: in batches, and never what the newest turn brings."""

from activities.context_cuts import Cuts, next_cuts
from activities.context_files import Shown

SMALL = Shown(recent_bytes=10_000, kept_bytes=4_000, turns=20)


def test_nothing_moves_while_little_is_shown() -> None:
    assert next_cuts(Cuts(), {1: 3000, 2: 3000, 3: 4000}, 3, SMALL) == Cuts()


def test_past_the_threshold_all_but_the_newest_become_lines_at_once() -> None:
    sizes = dict.fromkeys(range(1, 12), 1000)
    assert next_cuts(Cuts(), sizes, 11, SMALL) == Cuts(stubbed=8)


def test_the_newest_is_shown_in_full_however_large_it_is() -> None:
    assert next_cuts(Cuts(), {1: 500, 2: 90_000}, 2, SMALL) == Cuts(stubbed=2)


def test_a_cut_stands_until_as_much_has_gathered_behind_it() -> None:
    sizes = dict.fromkeys(range(8, 17), 1000)
    assert next_cuts(Cuts(stubbed=8), sizes, 16, SMALL) == Cuts(stubbed=8)
    assert next_cuts(Cuts(stubbed=8), sizes | {17: 2000}, 17, SMALL) == Cuts(stubbed=15)


def test_many_turns_are_folded_to_half_of_what_may_be_shown() -> None:
    assert next_cuts(Cuts(stubbed=3), {}, 20, SMALL) == Cuts(stubbed=3)
    assert next_cuts(Cuts(stubbed=3), {}, 21, SMALL) == Cuts(stubbed=11, folded=11)
    assert next_cuts(Cuts(stubbed=11, folded=11), {}, 31, SMALL) == Cuts(stubbed=11, folded=11)
    assert next_cuts(Cuts(stubbed=11, folded=11), {}, 32, SMALL) == Cuts(stubbed=22, folded=22)


def test_what_is_shown_is_bounded_however_long_the_conversation_is() -> None:
    cuts, moves = Cuts(), 0
    sizes: dict[int, int] = {}
    for turn in range(1, 2001):
        sizes = {number: size for number, size in sizes.items() if number >= cuts.stubbed} | {turn: 700}
        following = next_cuts(cuts, sizes, turn, SMALL)
        moves += following != cuts
        cuts = following
        assert turn - cuts.folded <= SMALL.turns
        assert sum(size for number, size in sizes.items() if number >= cuts.stubbed) <= SMALL.recent_bytes
    assert moves < 2000 / 5, "the prefix is left alone for at least five turns at the mean"
