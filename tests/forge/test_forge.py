"""Nothing forged counts: a seeded selection of what `make forge` does by the hundred thousand."""

from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Check
from tests.forge.impostors import PLAYS, UNDER_ITS_OWN_NAME, unmask
from tests.forge.in_process import forge, genuine_ones_count
from tests.forge.kinds import KINDS
from tests.forge.through_server import send_forgeries

SEED = 20261125
SELECTED = 8 * len(KINDS)


async def test_the_genuine_pair_of_decisions_counts_and_the_credit_is_issued() -> None:
    assert await genuine_ones_count()


async def test_no_forged_decision_counts_and_each_is_refused_by_its_own_check() -> None:
    tally = await forge(SELECTED, SEED)
    assert tally.not_new == []
    assert tally.accepted == []
    assert tally.wrong_check == []
    assert (tally.tried, tally.effects) == (SELECTED, 0)


async def test_no_forgery_sent_to_a_run_counts_and_what_is_not_genuine_on_sight_leaves_no_event(
    temporal: WorkflowEnvironment,
) -> None:
    sent = await send_forgeries(temporal, 2 * len(KINDS), SEED)
    assert sent.accepted == []
    assert (sent.tried, sent.effects_before, sent.events_of_updates) == (2 * len(KINDS), 0, 0)
    assert sent.genuine == ["refunded"], "the genuine pair counts in the end"


async def test_no_impostor_gets_an_effect_whatever_it_claims(temporal: WorkflowEnvironment) -> None:
    every_play = len(PLAYS) + len(UNDER_ITS_OWN_NAME)
    unmasked = await unmask(temporal, every_play, SEED)
    assert unmasked.stolen == []
    assert (unmasked.tried, unmasked.effects) == (every_play, 0)


async def test_one_of_each_kind_is_refused_as_it_arrives_and_at_the_gate() -> None:
    tally = await forge(2 * len(KINDS), SEED + 1)
    assert (tally.accepted, tally.wrong_check, tally.effects) == ([], [], 0)


def test_there_are_thirty_kinds_of_forgery_twenty_of_them_signed_by_an_enrolled_key() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 30
    assert sum(kind.resigned for kind in KINDS) >= 20


def test_every_check_of_a_decision_is_the_one_that_refuses_some_kind() -> None:
    assert {kind.refused_by for kind in KINDS} == set(Check)
