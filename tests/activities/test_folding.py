"""What stands in the place of turns that are not shown: the calls made in them, and what people said."""

from activities.composing import text_block
from activities.conversations import Delta
from activities.folding import GO_ON, SAID_BYTES, Folded
from contracts.claude import ProposedCall, StopReason, TurnOutcome


def turn(number: int, tool: str = "find", said: str = "") -> Delta:
    """A turn that asked for one tool, and what was said to it before."""
    outcome = TurnOutcome(stop_reason=StopReason.TOOL_USE, calls=(ProposedCall(block=0, server="orders", tool=tool),))
    return Delta(turn=number, user=[text_block(said or GO_ON)], assistant=[], outcome=outcome)


def test_calls_are_counted_and_words_of_people_are_kept() -> None:
    deltas = [turn(0, said="the prompt"), turn(1), turn(2, "cancel", said="note from dana: less"), turn(3)]
    folded = Folded().with_turns(deltas, before=3)
    assert folded == Folded(before=3, calls={"orders.find": 2, "orders.cancel": 1}, said=("note from dana: less",))
    assert "Your turns 1 to 3 are not shown any more" in folded.words()
    assert "orders.cancel 1x, orders.find 2x" in folded.words()
    assert folded.words().endswith("note from dana: less")


def test_a_later_fold_goes_on_from_where_the_earlier_one_ended() -> None:
    deltas = [turn(number, said=f"word {number}") for number in range(9)]
    at_once = Folded().with_turns(deltas, before=8)
    assert Folded().with_turns(deltas[:6], before=4).with_turns(deltas[3:], before=8) == at_once
    assert at_once.said == tuple(f"word {number}" for number in range(1, 9))


def test_of_very_many_words_the_newest_are_kept() -> None:
    deltas = [turn(number, said=f"{number} " + "x" * 1000) for number in range(30)]
    said = Folded().with_turns(deltas, before=29).said
    assert said[-1].startswith("29 ")
    assert sum(map(len, said)) <= SAID_BYTES


def test_a_summary_is_told_as_the_word_of_a_model() -> None:
    assert Folded(before=2).words("all is well").endswith("made by a model; it may be wrong:\nall is well")
