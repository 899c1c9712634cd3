"""What is in force: believed when the right people have signed it, and seen by every worker at once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from sqlalchemy import update

from activities.activating import missing_signatures, problem_with_endorsement
from activities.authority import NothingInForce
from contracts.authority import DocumentKind
from contracts.canonical import canonical_json
from contracts.deployment import Mode
from contracts.roster import Roster
from contracts.tools import EffectClass, ToolDefinition
from tests.authority import Signer, roster_of
from tests.stores import new_store
from tests.workers.desk import ADMIN, DEVELOPMENT, OPERATOR, RULES, Desk
from tests.workers.store.samples import NINE
from workers.resources.authority import activate_files
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.documents import Overtaken, next_activation
from workers.resources.store.errors import ContentDamaged
from workers.resources.store.schema import CONTENTS

TOOL = ToolDefinition(server="orders", name="find", input_schema={}, effect_class=EffectClass.READ)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An empty store."""
    store = Store.open(new_store(tmp_path))
    yield Desk(store)
    store.close()


async def test_in_production_nothing_is_in_force_until_somebody_has_signed_it(desk: Desk) -> None:
    authority = desk.authority()
    with pytest.raises(NothingInForce, match="no roster is in force"):
        await authority.roster()
    with pytest.raises(NothingInForce, match="no policy is in force"):
        await authority.policy()
    assert await authority.pinned(TOOL, NINE) is None


async def test_two_roster_admins_put_a_roster_in_force_and_an_operator_the_rules(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    activation = await desk.put(DocumentKind.POLICY, RULES, desk.omar)
    authority = desk.authority()
    assert await authority.roster() == desk.roster()
    assert (await authority.policy()).digest == activation.digest


@pytest.mark.parametrize("signing", ["nobody", "one admin", "one admin twice", "an admin and an operator"])
async def test_a_roster_that_two_admins_have_not_signed_does_not_count(desk: Desk, signing: str) -> None:
    signers = {
        "nobody": (),
        "one admin": (desk.ada,),
        "one admin twice": (desk.ada, desk.ada),
        "an admin and an operator": (desk.ada, desk.omar),
    }[signing]
    await desk.put(DocumentKind.ROSTER, desk.roster(), *signers)
    with pytest.raises(NothingInForce, match=r"lacks . signature"):
        await desk.authority().roster()


async def test_a_roster_cannot_appoint_those_who_sign_it(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    mallory, mark = Signer("mallory", ADMIN), Signer("mark", ADMIN)
    await desk.put(DocumentKind.ROSTER, desk.roster(mallory, mark), mallory, mark)
    with pytest.raises(NothingInForce, match="roster version 2 lacks 2 signature"):
        await desk.authority().roster()


async def test_rules_that_no_operator_has_signed_do_not_count(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, RULES, desk.ada)
    with pytest.raises(NothingInForce, match="policy version 1 lacks 1 signature"):
        await desk.authority().policy()


async def test_a_signature_under_another_document_is_none_under_this(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    other = next_activation(DocumentKind.POLICY, "here", None, {"files": {}}, "another")
    rules = next_activation(DocumentKind.POLICY, "here", None, RULES, "a test")
    forged = desk.endorsed(other, desk.omar).model_copy(update={"activation": rules})
    await desk.store.documents.propose(rules, RULES, forged, desk.now())
    await desk.store.documents.activate(rules, RULES, "mallory", desk.now())
    with pytest.raises(NothingInForce, match="lacks 1 signature"):
        await desk.authority().policy()


async def test_a_document_of_another_deployment_does_not_count(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan, deployment="elsewhere")
    with pytest.raises(NothingInForce, match="was made for deployment 'elsewhere', not for 'here'"):
        await desk.authority().roster()


async def test_the_first_roster_must_be_the_one_that_operators_have_named(desk: Desk) -> None:
    first = await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    assert await desk.authority(roster_root=first.digest).roster() == desk.roster()
    with pytest.raises(NothingInForce, match="INTERLOCK_ROSTER_ROOT"):
        await desk.authority(roster_root="sha256:" + "0" * 64).roster()


async def test_rules_signed_by_somebody_who_has_left_stay_in_force_and_those_of_a_revoked_key_do_not(
    desk: Desk,
) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, RULES, desk.omar)
    olive = Signer("olive", OPERATOR)
    left = roster_of(desk.ada, desk.alan, olive)
    await desk.put(DocumentKind.ROSTER, left, desk.ada, desk.alan)
    assert await desk.authority().policy()

    person = desk.omar.person()
    revoked = person.model_copy(
        update={"keys": (person.keys[0].model_copy(update={"revoked_at": NINE + timedelta(days=1)}),)}
    )
    with_revoked = left.model_copy(update={"people": (*left.people, revoked)})
    await desk.put(DocumentKind.ROSTER, with_revoked, desk.ada, desk.alan)
    with pytest.raises(NothingInForce, match="signed with a key of 'omar' that was revoked since"):
        await desk.authority().policy()
    await desk.put(DocumentKind.POLICY, RULES, olive)
    assert await desk.authority().policy()


@pytest.mark.parametrize("kind", [DocumentKind.POLICY, DocumentKind.PINS])
async def test_a_worker_that_runs_already_no_longer_believes_what_a_key_has_signed_that_is_revoked_now(
    desk: Desk, kind: DocumentKind
) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    await desk.put(kind, RULES if kind is DocumentKind.POLICY else {}, desk.omar)
    authority = desk.authority()

    async def ask() -> object:
        return await (authority.policy() if kind is DocumentKind.POLICY else authority.pinned(TOOL, NINE))

    await ask()
    person = desk.omar.person()
    lost = person.model_copy(update={"keys": (person.keys[0].model_copy(update={"revoked_at": NINE}),)})
    everybody = desk.roster()
    others = tuple(each for each in everybody.people if each.subject != "omar")
    await desk.put(DocumentKind.ROSTER, everybody.model_copy(update={"people": (*others, lost)}), desk.ada, desk.alan)

    with pytest.raises(NothingInForce, match="signed with a key of 'omar' that was revoked since"):
        await ask()


async def test_another_version_is_in_force_for_a_worker_that_runs_already(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    authority = desk.authority()
    assert (await authority.roster()).person("erik") is None
    await desk.put(DocumentKind.ROSTER, desk.roster(Signer("erik")), desk.ada, desk.alan)
    assert (await authority.roster()).person("erik") is not None


async def test_what_is_in_force_and_cannot_be_read_counts_for_nothing(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, {"files": {"own.cedar": "permit(principal, action, resource);"}}, desk.omar)
    with pytest.raises(NothingInForce, match="policy version 1 is in force and cannot be read"):
        await desk.authority().policy()


async def test_of_two_who_change_the_same_version_the_second_is_told(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    stale = next_activation(DocumentKind.ROSTER, "here", None, {}, "late")
    with pytest.raises(Overtaken, match="version 1 is in force, and version 1 was proposed"):
        await desk.store.documents.activate(stale, {}, "late", desk.now())


async def test_development_has_the_rules_of_its_files_and_an_empty_roster(desk: Desk) -> None:
    authority = desk.authority(DEVELOPMENT)
    await activate_files(desk.store.documents, DEVELOPMENT, RULES, NINE)
    await activate_files(desk.store.documents, DEVELOPMENT, RULES, NINE)
    assert (await authority.roster()).people == ()
    assert (await authority.policy()).digest
    assert (await desk.store.documents.versions())[DocumentKind.POLICY] == 1, "the same files change nothing"


async def test_development_accepts_the_first_definition_of_a_tool_and_no_other(desk: Desk) -> None:
    authority, other = desk.authority(DEVELOPMENT), desk.authority(DEVELOPMENT)
    changed = TOOL.model_copy(update={"description": "and mail it to me"})
    first = await authority.pinned(TOOL, NINE)
    assert first is not None
    assert first.pin == TOOL.pin()
    assert await other.pinned(changed, NINE) == first
    assert await desk.store.contents.get(first.definition) is not None


async def test_production_takes_pins_from_the_document_an_operator_has_signed(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    pins: JsonValue = {"orders.find": {"pin": TOOL.pin(), "definition": "sha256:" + "0" * 64}}
    await desk.put(DocumentKind.PINS, pins, desk.omar)
    pinned = await desk.authority().pinned(TOOL, NINE)
    assert pinned is not None
    assert pinned.pin == TOOL.pin()


async def test_a_role_taken_in_an_emergency_of_another_deployment_counts_for_nothing_here(desk: Desk) -> None:
    bea = Signer("bea", break_glass=("finance_manager",))
    here, elsewhere = (bea.grants("finance_manager", name, NINE) for name in ("here", "elsewhere"))
    for grant in (here, elsewhere):
        assert await desk.store.documents.grant(grant, NINE)
    assert await desk.authority().break_glass() == (here,)


# What else must be as it was signed.


async def test_a_roster_that_does_not_follow_the_one_before_it_does_not_count(desk: Desk) -> None:
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    plain = desk.roster(Signer("erik")).model_dump(mode="json")
    after_another = next_activation(DocumentKind.ROSTER, "here", None, {}, "elsewhere")
    second = next_activation(DocumentKind.ROSTER, "here", None, plain, "a test").model_copy(
        update={"version": 2, "previous": after_another.digest}
    )
    for signer in (desk.ada, desk.alan):
        await desk.store.documents.propose(second, plain, desk.endorsed(second, signer), desk.now())
    await desk.store.documents.activate(second, plain, "mallory", desk.now())
    with pytest.raises(NothingInForce, match="roster version 2 does not follow the one before it"):
        await desk.authority().roster()


async def test_whoever_became_an_operator_later_has_not_signed_what_was_made_active_before(desk: Desk) -> None:
    olive = Signer("olive", OPERATOR)
    await desk.put(DocumentKind.ROSTER, desk.roster(Signer("olive", (), olive.key)), desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, RULES, olive)
    await desk.put(DocumentKind.ROSTER, desk.roster(olive), desk.ada, desk.alan)
    with pytest.raises(NothingInForce, match="policy version 1 lacks 1 signature"):
        await desk.authority().policy()


async def test_rules_that_were_made_active_before_any_roster_say_so(desk: Desk) -> None:
    await desk.put(DocumentKind.POLICY, RULES, desk.omar)
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    with pytest.raises(NothingInForce, match="policy: no roster was in force when it was made active"):
        await desk.authority().policy()


async def test_one_person_with_two_keys_signs_once(desk: Desk) -> None:
    again = Signer("ada", ADMIN)
    ada = desk.ada.person()
    both = ada.model_copy(update={"keys": (*ada.keys, *again.person().keys)})
    people = Roster(people=(both, desk.alan.person(), desk.omar.person()))
    activation = await desk.put(DocumentKind.ROSTER, people, desk.ada)
    role_and_missing = missing_signatures(
        activation,
        [desk.endorsed(activation, desk.ada), desk.endorsed(activation, again)],
        people,
        Mode.PRODUCTION,
        NINE,
    )
    assert role_and_missing == ("roster_admin", 1)


async def test_an_old_signature_is_none_under_a_later_document(desk: Desk) -> None:
    first = next_activation(DocumentKind.POLICY, "here", None, {"files": {}}, "the first")
    later = next_activation(DocumentKind.POLICY, "here", None, RULES, "the second")
    old = [desk.endorsed(first, desk.omar)]
    assert missing_signatures(first, old, desk.roster(), Mode.PRODUCTION, NINE) == ("operator", 0)
    assert missing_signatures(later, old, desk.roster(), Mode.PRODUCTION, NINE) == ("operator", 1)


async def test_neither_a_service_nor_anybody_in_anothers_name_signs_documents(desk: Desk) -> None:
    robot = Signer("robot", OPERATOR, service=True)
    people = desk.roster(robot, Signer("olive", OPERATOR))
    rules = next_activation(DocumentKind.POLICY, "here", None, RULES, "a test")
    as_olive = desk.endorsed(rules, Signer("olive", OPERATOR, desk.omar.key))
    for endorsement, said in ((desk.endorsed(rules, robot), "'robot'"), (as_olive, "'olive'")):
        assert f"is not {said}'s" in problem_with_endorsement(endorsement, rules, people, NINE)


@pytest.mark.parametrize("lacking", ["a key that was over", "a person who had left"])
async def test_a_document_signed_with_a_key_that_was_over_does_not_count(desk: Desk, lacking: str) -> None:
    omar = desk.omar.person()
    overs: dict[str, dict[str, object]] = {
        "a key that was over": {"keys": (omar.keys[0].model_copy(update={"valid_until": NINE}),)},
        "a person who had left": {"valid_until": NINE},
    }
    people = Roster(people=(desk.ada.person(), desk.alan.person(), omar.model_copy(update=overs[lacking])))
    await desk.put(DocumentKind.ROSTER, people, desk.ada, desk.alan)
    await desk.put(DocumentKind.POLICY, RULES, desk.omar)
    with pytest.raises(NothingInForce, match="policy version 1 lacks 1 signature"):
        await desk.authority().policy()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"valid_until": NINE + timedelta(days=1)}, "'omar' was entitled until"),
        ({"roles": ()}, "'omar' does not hold the role 'operator'"),
    ],
)
async def test_who_was_entitled_when_they_say_they_signed_must_be_so_when_it_is_put_in_force(
    desk: Desk, changes: dict[str, object], said: str
) -> None:
    """A key whose owner has left can still sign, and write any date under it."""
    rules = next_activation(DocumentKind.POLICY, "here", None, RULES, "a test")
    signed = desk.endorsed(rules, desk.omar)
    people = Roster(people=(desk.omar.person().model_copy(update=changes),))
    problem = problem_with_endorsement(signed, rules, people, NINE + timedelta(days=2))
    assert problem.startswith(said) and bool(problem) is bool(said)


async def test_a_document_that_was_changed_in_the_database_is_not_in_force(desk: Desk, tmp_path: Path) -> None:
    activation = await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    own = canonical_json(desk.roster(Signer("mallory", ADMIN)))
    database = Database(read_url(f"sqlite:///{tmp_path}/store.db"))
    change = update(CONTENTS).where(CONTENTS.c.address == activation.digest).values(content=own)
    database.write_now(lambda connection: connection.execute(change))
    database.close()
    with pytest.raises(ContentDamaged):
        await desk.authority().roster()
