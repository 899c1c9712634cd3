"""Nothing forged counts: a seeded selection of what `make forge` does by the hundred thousand."""

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Check
from tests.forge.impostors import VARIANTS, send_impostors
from tests.forge.in_process import forge, genuine_ones_count
from tests.forge.kinds import KINDS
from tests.forge.through_server import forge_through_server, replay_to_the_next_run

pytestmark = pytest.mark.many

SEED = 20261125
SELECTED = 8 * len(KINDS)


async def test_the_genuine_pair_of_decisions_counts_and_the_credit_is_issued() -> None:
    assert await genuine_ones_count()


async def test_no_forged_decision_counts_and_each_is_refused_by_its_own_check() -> None:
    tally = await forge(SELECTED, SEED)
    assert tally.troubles() == []
    assert tally.tried == SELECTED


def test_there_are_thirty_kinds_of_forgery_twenty_of_them_signed_by_an_enrolled_key() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 30
    assert sum(kind.resigned for kind in KINDS) >= 20


def test_every_check_of_a_decision_is_the_one_that_refuses_some_kind() -> None:
    assert {kind.refused_by for kind in KINDS} == set(Check)


async def test_no_forgery_through_the_server_completes_a_quorum_and_the_genuine_signature_then_does(
    temporal: WorkflowEnvironment,
) -> None:
    tally = await forge_through_server(temporal, 2 * len(KINDS), SEED)
    assert tally.troubles() == []
    assert tally.tried == 2 * len(KINDS)


async def test_decisions_of_a_refund_that_is_over_do_not_count_for_the_next_one_of_the_same_case(
    temporal: WorkflowEnvironment,
) -> None:
    replayed = await replay_to_the_next_run(temporal)
    assert replayed.clean, replayed
    assert len(replayed.reasons) == 3


async def test_one_of_each_kind_is_refused_as_it_arrives_and_at_the_gate() -> None:
    tally = await forge(2 * len(KINDS), SEED + 1)
    assert tally.troubles() == []


async def test_no_impostor_has_an_effect_and_each_variant_is_refused_by_its_own_check(
    temporal: WorkflowEnvironment,
) -> None:
    attempts = await send_impostors(temporal, len(VARIANTS), SEED)
    assert attempts.troubles() == []
    assert attempts.clean
    assert set(attempts.refused) == {variant.name for variant in VARIANTS}


def test_there_are_twenty_variants_of_impostor() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS) >= 20
