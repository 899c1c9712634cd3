"""What the doctor says of authority: what is in force, who can still change it, and whether the chain is signed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.orphans import Fate, Standing
from contracts.audit import AuditKind, AuditRecord
from contracts.authority import DocumentKind
from contracts.deployment import Mode
from contracts.freezing import FreezeScope
from contracts.roster import Roster
from tests.authority import Signer, roster_of
from tests.stores import new_store
from tests.workers.desk import OPERATOR, RULES, Desk
from tests.workers.store.samples import NINE, RUN, claim, started
from workers.resources.checkpoints import Checkpoints
from workers.resources.store import Store
from workers.settings import Settings
from workers.store_checks import Check, store_checks

AN_HOUR_LATER = NINE + timedelta(hours=1)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An empty store."""
    store = Store.open(new_store(tmp_path))
    yield Desk(store)
    store.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A production deployment whose checkpoints stand in a file."""
    return Settings(mode=Mode.PRODUCTION, deployment="here", audit_checkpoints=tmp_path / "checkpoints.jsonl")


async def looked(desk: Desk, settings: Settings, now: datetime = AN_HOUR_LATER) -> dict[str, Check]:
    """Name -> check."""
    return {check.name: check for check in await store_checks(desk.store, settings, now)}


async def found(desk: Desk, settings: Settings, name: str, now: datetime = AN_HOUR_LATER) -> tuple[bool, str]:
    """One of the checks."""
    check = (await looked(desk, settings, now))[name]
    return check.ok, check.found


async def everything_in_force(desk: Desk, roster: Roster | None = None) -> None:
    """Roster, rules and pins, signed by whom they must be."""
    await desk.put(DocumentKind.ROSTER, roster or desk.roster(), desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, RULES, desk.omar)
    await desk.put(DocumentKind.PINS, {}, desk.omar)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("roster", "interlock approvers apply --as NAME --reason WHY"),
        ("policy", "interlock policy activate --as NAME --reason WHY"),
        ("pins", "interlock tools pin --all --as NAME --reason WHY"),
    ],
)
async def test_what_production_lacks_is_named_with_the_command_that_makes_it(
    desk: Desk, settings: Settings, name: str, command: str
) -> None:
    assert await found(desk, settings, name) == (False, f"none in force, so nothing has an effect; {command}")
    development = settings.model_copy(update={"mode": Mode.DEVELOPMENT})
    assert await found(desk, development, name) == (True, "none in force, which development permits")


async def test_what_is_in_force_is_told_with_its_version_and_its_signers(desk: Desk, settings: Settings) -> None:
    await everything_in_force(desk)

    checks = await looked(desk, settings)

    assert {name for name, check in checks.items() if not check.ok} == {"checkpoints"}, checks
    assert checks["roster"].found == "version 1 since 2026-11-20 09:05 UTC, signed by ada, alan; 3 enrolled"
    assert checks["policy"].found == "version 1 since 2026-11-20 09:08 UTC, signed by omar"
    assert checks["pins"].found == "version 1 since 2026-11-20 09:11 UTC, signed by omar; 0 tools"


async def test_a_document_that_is_not_believed_is_told_in_the_words_of_the_gate(desk: Desk, settings: Settings) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, RULES)

    assert await found(desk, settings, "policy") == (
        False,
        "policy version 1 lacks 1 signature(s) of operator; nothing it says counts",
    )


async def test_what_is_frozen_is_told_with_the_command_that_thaws_it_until_it_is_thawed(
    desk: Desk, settings: Settings
) -> None:
    await everything_in_force(desk)
    assert await found(desk, settings, "freezes") == (True, "nothing is frozen")
    freeze = desk.omar.freezes("here", desk.now(), FreezeScope.SERVER, "payments")
    await desk.store.freezes.freeze(freeze, (), freeze.issued_at)

    assert await found(desk, settings, "freezes") == (
        False,
        "the server 'payments' is frozen since 2026-11-20 09:12:00 UTC by 'omar': money leaves twice; "
        f"to go on: interlock thaw {freeze.id} --reason WHY",
    )
    await desk.store.freezes.thaw(desk.omar.thaws(freeze, freeze.issued_at), None, (), desk.now())
    assert await found(desk, settings, "freezes") == (True, "nothing is frozen")


async def test_a_proposal_that_waits_for_signatures_is_told(desk: Desk, settings: Settings) -> None:
    await everything_in_force(desk)
    await desk.propose(DocumentKind.ROSTER, desk.roster(Signer("erik")), desk.ada)

    ok, told = await found(desk, settings, "roster")

    assert ok and told.endswith("3 enrolled; 1 proposed as the next version, waiting for signatures")


async def test_a_roster_that_too_few_can_change_is_told_before_anybody_needs_to(desk: Desk, settings: Settings) -> None:
    alone = roster_of(desk.ada, desk.omar)
    await everything_in_force(desk)
    await desk.put(DocumentKind.ROSTER, alone, desk.ada, desk.alan)

    ok, told = await found(desk, settings, "roster")

    assert not ok
    assert told.endswith("1 roster_admin can sign and 2 must, so roster cannot be changed: enrol another")


async def test_keys_that_end_soon_are_named_and_those_that_ended_sign_nothing(desk: Desk, settings: Settings) -> None:
    person = desk.omar.person()
    short = person.keys[0].model_copy(update={"valid_until": NINE + timedelta(days=20)})
    others = [each for each in desk.roster().people if each.subject != "omar"]
    shortly = Roster(people=(*others, person.model_copy(update={"keys": (short,)})))
    await everything_in_force(desk, shortly)

    ok, told = await found(desk, settings, "roster")
    assert ok and told.endswith("the key of omar ends on 2026-12-10: enrol them anew")

    ok, told = await found(desk, settings, "roster", NINE + timedelta(days=21))
    assert not ok
    assert told.endswith("0 operator can sign and 1 must, so policy and pins cannot be changed: enrol another")


async def test_a_checkpoint_counts_as_overdue_only_when_records_have_waited_for_it(
    desk: Desk, settings: Settings
) -> None:
    file = settings.audit_checkpoints
    assert file is not None
    checkpoints = Checkpoints(desk.store.audit, file, Ed25519PrivateKey.generate(), "here", lambda: NINE)
    await desk.store.audit.append(AuditRecord(kind=AuditKind.COMMAND, at=NINE))

    assert await found(desk, settings, "checkpoints", NINE) == (True, f"there is none in {file}, 1 records since")
    ok, told = await found(desk, settings, "checkpoints")
    assert (ok, told.partition(":")[0]) == (False, f"there is none in {file}, 1 records since")
    assert told.endswith("overdue; see that a worker runs, and what it logs as `checkpoint_not_taken`")

    await asyncio.to_thread(checkpoints.take)
    signed = f"number 1 of 2026-11-20 09:00:00 UTC in {file}"
    assert await found(desk, settings, "checkpoints") == (True, f"{signed}, 0 records since")

    await desk.store.audit.append(AuditRecord(kind=AuditKind.COMMAND, at=AN_HOUR_LATER))
    assert await found(desk, settings, "checkpoints") == (True, f"{signed}, 1 records since")
    ok, _ = await found(desk, settings, "checkpoints", AN_HOUR_LATER + timedelta(minutes=3))
    assert not ok


async def test_a_store_that_lacks_what_was_signed_is_told(desk: Desk, settings: Settings, tmp_path: Path) -> None:
    assert settings.audit_checkpoints is not None
    await desk.store.audit.append(AuditRecord(kind=AuditKind.COMMAND, at=NINE))
    Checkpoints(desk.store.audit, settings.audit_checkpoints, Ed25519PrivateKey.generate(), "here").take()
    restored = Store.open(f"sqlite:///{tmp_path}/older.db")

    ok, told = await found(Desk(restored), settings, "checkpoints")
    restored.close()

    assert not ok
    assert told.endswith("-1 records since: the store lacks what was signed; run `interlock audit verify`")


async def test_where_checkpoints_stand_on_another_machine_that_is_said(desk: Desk, settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"audit_checkpoints": None, "data": Path("/nowhere")})

    ok, told = await found(desk, elsewhere, "checkpoints")

    assert ok and told.startswith("none here;")


async def test_whoever_is_an_operator_by_delegation_can_sign(desk: Desk, settings: Settings) -> None:
    olive = Signer("olive")
    lent = {"delegator": "omar", "delegate": "olive", "roles": OPERATOR, "reason": "holidays"}
    during = {"valid_from": NINE - timedelta(days=1), "valid_until": NINE + timedelta(days=9)}
    person = desk.omar.person()
    lost = person.model_copy(update={"keys": ()})
    roster = roster_of(desk.ada, desk.alan, olive)
    await desk.put(
        DocumentKind.ROSTER,
        Roster.model_validate(roster.model_dump() | {"people": [*roster.people, lost], "delegations": [lent | during]}),
        desk.ada,
        desk.alan,
    )

    assert (await found(desk, settings, "roster"))[0]


async def test_effects_of_which_nobody_knows_are_counted_until_an_operator_has_seen_to_them(
    desk: Desk, settings: Settings
) -> None:
    assert await found(desk, settings, "orphans") == (True, "no run has left anything behind")
    store, fate = desk.store, Fate(standing=Standing.TERMINATED)
    await store.ledger.claim(claim(), NINE)
    await store.ledger.mark_sent("key-1", 0, "worker-1", NINE)
    await store.orphans.settle(RUN, fate, (), AN_HOUR_LATER, lambda _: ())

    ok, told = await found(desk, settings, "orphans")
    assert (ok, told) == (
        False,
        "1 runs were terminated, deleted or failed, with 1 effects of which nobody knows; see `interlock runs orphans`",
    )

    await store.orphans.acknowledge(RUN.workflow_id, "omar", "sha256:why", AN_HOUR_LATER)
    assert await found(desk, settings, "orphans") == (True, "no run has left anything behind")


async def test_the_load_is_told_and_that_new_runs_are_refused_where_it_is_full(desk: Desk, settings: Settings) -> None:
    assert await found(desk, settings, "load") == (True, "0 runs are active of at most 1000, 0 wait for people")
    await desk.store.starts.register(started(), NINE)

    assert await found(desk, settings.model_copy(update={"most_active_runs": 1}), "load") == (
        False,
        "1 runs are active of at most 1, 0 wait for people; new ones are refused until some have ended; "
        "more at once: INTERLOCK_MOST_ACTIVE_RUNS",
    )
    unlimited = settings.model_copy(update={"most_active_runs": 0})
    assert await found(desk, unlimited, "load") == (True, "1 runs are active, 0 wait for people")
