"""Deadlines beside the rule: reminder, handing on, calendar; and what cannot be meant is refused when it is read."""

from datetime import timedelta

import pytest

from policies.engine import CedarRules, PolicyBroken
from tests.policies.questions import ask

ASKS = '@approve("clerk") @quorum("1") @within("PT24H")'


def asking(annotations: str) -> CedarRules:
    """Rules of which one asks people, so annotated."""
    return CedarRules(
        {
            "rules.cedar": '@id("may") permit(principal, action, resource);\n'
            f'@id("x") {annotations}\nforbid(principal, action, resource)\n'
            "  unless { context.approvals has clerk && context.approvals.clerk >= 1 };"
        }
    )


def test_reminder_handing_on_and_calendar_become_part_of_the_obligation() -> None:
    deadlines = '@remind("PT12H") @hand_on("PT20H") @hand_on_to("finance_director") @calendar("office")'
    (asked,) = asking(f"{ASKS} {deadlines}").rule(ask("s.t")).obligations
    assert (asked.remind, asked.hand_on) == (timedelta(hours=12), timedelta(hours=20))
    assert (asked.hand_on_to, asked.calendar) == ("finance_director", "office")


def test_without_them_nobody_is_reminded_and_wall_time_counts() -> None:
    (asked,) = asking(ASKS).rule(ask("s.t")).obligations
    assert (asked.remind, asked.hand_on, asked.hand_on_to, asked.calendar) == (None, None, "", "")


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ('@remind("PT1H")', "@approve, @quorum and @within stand together"),
        ('@calendar("office")', "@approve, @quorum and @within stand together"),
        (f'{ASKS} @hand_on("PT2H")', "@hand_on and @hand_on_to stand together"),
        (f'{ASKS} @hand_on_to("boss")', "@hand_on and @hand_on_to stand together"),
        (f'{ASKS} @remind("PT24H")', "@remind is not before @within is over"),
        (f'{ASKS} @hand_on("P2D") @hand_on_to("boss")', "@hand_on is not before @within is over"),
        (f'{ASKS} @hand_on("PT2H") @hand_on_to("clerk")', "@hand_on_to names the role that was asked anyway"),
        (f'{ASKS} @hand_on("PT2H") @hand_on_to("The Boss")', "@approve (and @hand_on_to) is a role"),
        (f'{ASKS} @remind("soon")', "a duration such as PT24H"),
        (f'{ASKS} @remind("PT0S")', "a duration such as PT24H"),
        (f'{ASKS} @remind("3600")', "a duration such as PT24H"),
        (f"{ASKS} @calendar", "@calendar names a calendar"),
        (f'{ASKS} @remnid("PT1H")', "unknown annotation @remnid"),
        (ASKS.replace("clerk", "Clerk"), "@approve (and @hand_on_to) is a role"),
        (ASKS.replace("clerk", "clerk of finance"), "@approve (and @hand_on_to) is a role"),
    ],
)
def test_what_cannot_be_meant_is_refused_naming_file_line_and_rule(annotations: str, said: str) -> None:
    with pytest.raises(PolicyBroken) as broken:
        asking(annotations)
    assert str(broken.value).startswith("rules.cedar:2: x: ")
    assert said in str(broken.value)
