"""Documents come into force when the right people have signed exactly them, on a real store."""

import asyncio
from pathlib import Path

import pytest
from pydantic import JsonValue

from activities.activating import missing_signatures
from cli.activating import activate_document
from cli.exits import CommandFailed, NotReachable, Refused, WrongInput
from cli.main import run
from contracts.authority import DocumentKind, InForce
from contracts.deployment import Mode
from contracts.roster import Roster
from policies.document import document_of
from tests.cli.enrolment import REASON, Machine
from workers.office import Office, open_office
from workers.resources.store.documents import next_activation
from workers.settings import REPOSITORY, Settings

POLICY = document_of([REPOSITORY / "policies"])
PINS: JsonValue = {"orders.get_order": {"pin": "sha256:" + "a" * 64, "definition": "sha256:" + "b" * 64}}
WHY = "as agreed"


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of a production deployment."""
    return Machine.ready(tmp_path, capsys, monkeypatch)


@pytest.fixture
def governed(machine: Machine) -> Machine:
    """The same, with a roster in force: dana and erin administer it, oscar operates."""
    machine.well("enrol", "oscar", "--role", "operator")
    machine.two_admins()
    machine.capsys.readouterr()
    return machine


@pytest.fixture
def development(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of a development deployment."""
    return Machine.ready(tmp_path, capsys, monkeypatch, mode="development")


async def chain(kind: DocumentKind) -> tuple[InForce, ...]:
    async with open_office(Settings.read()) as office:
        return await office.documents.chain(kind)


async def proposals(kind: DocumentKind) -> tuple[InForce, ...]:
    async with open_office(Settings.read()) as office:
        return await office.documents.proposals(kind)


async def activate(kind: DocumentKind, content: JsonValue, signer: str) -> int:
    return await activate_document(kind, content, signer=signer, reason=WHY)


async def test_an_operator_puts_rules_in_force_alone_and_the_gate_finds_the_signature_good(governed: Machine) -> None:
    assert await activate(DocumentKind.POLICY, POLICY, "oscar") == 0

    [policy] = await chain(DocumentKind.POLICY)
    assert policy.content == POLICY
    assert [each.signer for each in policy.endorsements] == ["oscar"]
    assert (
        missing_signatures(policy.activation, policy.endorsements, governed.roster(), Mode.PRODUCTION, policy.at)[1]
        == 0
    )
    assert policy.endorsements[0].activation == policy.activation
    assert "policy version 1: in force" in governed.capsys.readouterr().out


async def test_the_same_content_again_changes_nothing(governed: Machine) -> None:
    await activate(DocumentKind.PINS, PINS, "oscar")
    assert await activate(DocumentKind.PINS, PINS, "oscar") == 0

    assert len(await chain(DocumentKind.PINS)) == 1
    assert "with exactly this content is in force since" in governed.capsys.readouterr().out


@pytest.mark.parametrize(
    ("signer", "problem"),
    [
        ("dana", "'dana' may not put this policy in force: 'dana' does not hold the role 'operator'"),
        ("zoe", "'zoe' is nobody in the roster that judges this"),
    ],
)
async def test_who_is_not_entitled_leaves_nothing_behind(governed: Machine, signer: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        await activate(DocumentKind.POLICY, POLICY, signer)

    assert await chain(DocumentKind.POLICY) == ()
    assert await proposals(DocumentKind.POLICY) == ()


async def test_whose_key_is_elsewhere_is_told_so(governed: Machine) -> None:
    (governed.keys / "oscar.pem").unlink()

    with pytest.raises(Refused, match="make one with `interlock approvers enrol oscar`"):
        await activate(DocumentKind.POLICY, POLICY, "oscar")


async def test_who_may_not_accept_tools_is_told_so_in_a_sentence(governed: Machine) -> None:
    with pytest.raises(Refused, match=r"^'dana' may not put this set of pins in force: "):
        await activate(DocumentKind.PINS, PINS, "dana")


async def test_before_any_roster_is_in_force_nobody_can_sign_rules(machine: Machine) -> None:
    machine.well("enrol", "oscar", "--role", "operator")

    with pytest.raises(Refused, match="no roster is in force in deployment 'acme'"):
        await activate(DocumentKind.POLICY, POLICY, "oscar")


async def test_one_person_with_two_names_and_two_keys_is_one_person(machine: Machine) -> None:
    machine.well("enrol", "dana", "--role", "roster_admin", "--alias", "dd")
    machine.well("enrol", "dana")
    machine.well("enrol", "erin", "--role", "roster_admin")
    machine.well("apply", "--as", "dana", *REASON)
    machine.monkeypatch.setenv("INTERLOCK_KEY", machine.key_id("dana", 1))
    machine.well("apply", "--as", "DD", *REASON)

    [proposal] = await proposals(DocumentKind.ROSTER)
    assert [each.signer for each in proposal.endorsements] == ["dana"]
    assert await chain(DocumentKind.ROSTER) == ()


async def test_a_service_signs_no_documents(machine: Machine) -> None:
    machine.well("enrol", "robot", "--role", "operator", "--service")
    machine.two_admins()

    with pytest.raises(Refused, match=r"may not put this policy in force: key 'k-.*' is not 'robot''s"):
        await activate(DocumentKind.POLICY, POLICY, "robot")


async def test_a_roster_that_nobody_could_change_again_is_refused(governed: Machine) -> None:
    roster = governed.roster()
    alone = roster.model_copy(update={"people": tuple(each for each in roster.people if each.subject != "erin")})

    with pytest.raises(Refused, match="with this roster 1 of the 2 needed people could sign the next one"):
        await activate(DocumentKind.ROSTER, alone.model_dump(mode="json"), "dana")
    assert await proposals(DocumentKind.ROSTER) == ()


async def test_who_is_new_in_a_roster_cannot_vote_for_it(governed: Machine) -> None:
    governed.well("enrol", "mallory", "--role", "roster_admin")

    done = governed("apply", "--as", "mallory", *REASON)
    assert (done.code, "'mallory' is nobody in the roster that judges this" in done.err) == (1, True)
    assert await proposals(DocumentKind.ROSTER) == ()


async def test_another_proposal_for_the_same_version_is_told(governed: Machine) -> None:
    governed.well("absent", "oscar", "--until", "2d")
    governed.well("apply", "--as", "dana", *REASON)
    governed.well("absent", "erin", "--until", "2d")
    done = governed.well("apply", "--as", "erin", *REASON)

    assert "another roster is proposed as version 2" in done.err
    assert "signed by dana, because: as agreed in the meeting" in done.err
    assert {len(each.endorsements) for each in await proposals(DocumentKind.ROSTER)} == {1}


async def test_rules_signed_with_a_key_that_was_revoked_since_are_signed_anew(governed: Machine) -> None:
    await activate(DocumentKind.POLICY, POLICY, "oscar")
    governed.well("revoke", "oscar", "--reason", "stolen")
    governed.well("enrol", "olga", "--role", "operator")
    for admin in ("dana", "erin"):
        governed.well("apply", "--as", admin, *REASON)
    assert await activate(DocumentKind.POLICY, POLICY, "olga") == 0

    first, second = await chain(DocumentKind.POLICY)
    assert first.activation.digest == second.activation.digest == second.activation.previous
    assert [each.signer for each in second.endorsements] == ["olga"]


async def test_what_was_proposed_for_another_deployment_is_not_signed(governed: Machine) -> None:
    async with open_office(Settings.read()) as office:
        other = next_activation(DocumentKind.POLICY, "other", None, POLICY, WHY)
        await office.documents.propose(other, POLICY, None, (await chain(DocumentKind.ROSTER))[0].at)

    with pytest.raises(Refused, match="proposed for deployment 'other', and this is 'acme'; correct INTERLOCK_DEPLOY"):
        await activate(DocumentKind.POLICY, POLICY, "oscar")
    assert await chain(DocumentKind.POLICY) == ()


async def test_development_without_a_key_is_unsigned_and_said_loudly(development: Machine) -> None:
    assert await activate(DocumentKind.POLICY, POLICY, "anybody") == 0

    [policy] = await chain(DocumentKind.POLICY)
    assert policy.endorsements == ()
    out, err = development.capsys.readouterr()
    assert "signed by: nobody (development mode)" in out
    assert err == "development mode: this policy is not signed\n"


async def test_development_signs_when_there_is_a_key_that_counts(development: Machine) -> None:
    development.well("enrol", "dana", "--role", "roster_admin", "--role", "operator")
    development.well("apply", "--as", "dana", *REASON)
    await activate(DocumentKind.POLICY, POLICY, "dana")

    [roster], [policy] = await chain(DocumentKind.ROSTER), await chain(DocumentKind.POLICY)
    assert [each.signer for each in (*roster.endorsements, *policy.endorsements)] == ["dana", "dana"]


async def test_of_many_rivals_each_is_in_force_or_told_that_it_is_not(development: Machine) -> None:
    rosters = [Roster(decisions_per_hour=number).model_dump(mode="json") for number in range(1, 6)]
    rivals = (activate(DocumentKind.ROSTER, roster, "anybody") for roster in rosters)
    outcomes = await asyncio.wait_for(asyncio.gather(*rivals, return_exceptions=True), 60)

    won = await chain(DocumentKind.ROSTER)
    assert all(outcome == 0 or isinstance(outcome, Refused) for outcome in outcomes)
    assert len(won) == outcomes.count(0) >= 1
    assert [each.activation.version for each in won] == list(range(1, len(won) + 1))


async def test_the_same_document_from_many_at_once_comes_into_force_once(development: Machine) -> None:
    same = (activate(DocumentKind.PINS, PINS, "anybody") for _ in range(5))

    assert await asyncio.wait_for(asyncio.gather(*same), 60) == [0] * 5
    assert len(await chain(DocumentKind.PINS)) == 1


@pytest.mark.parametrize(
    ("kind", "content", "problem"),
    [
        (DocumentKind.ROSTER, {"people": [{"subject": "Dana"}]}, "this roster cannot be used: String should match"),
        (DocumentKind.ROSTER, [], "this roster cannot be used"),
        (DocumentKind.POLICY, {"files": {"x.cedar": "permit("}}, "this policy cannot be used"),
        (DocumentKind.POLICY, {"x.cedar": ""}, "this policy cannot be used"),
        (DocumentKind.PINS, {"orders.get_order": {"pin": 3}}, "this set of pins cannot be used"),
        (DocumentKind.PINS, "orders", "this set of pins cannot be used"),
    ],
)
async def test_what_is_no_such_document_is_not_even_proposed(
    development: Machine, kind: DocumentKind, content: JsonValue, problem: str
) -> None:
    with pytest.raises(WrongInput, match=problem):
        await activate(kind, content, "anybody")
    assert await proposals(kind) == ()


async def test_a_reason_is_needed(development: Machine) -> None:
    with pytest.raises(WrongInput, match="--reason is empty"):
        await activate_document(DocumentKind.PINS, PINS, signer="anybody", reason=" ")


@pytest.mark.parametrize(
    ("url", "failure"),
    [("nonsense", WrongInput), ("postgresql+psycopg://nobody@127.0.0.1:1/none", NotReachable)],
)
async def test_a_store_that_cannot_be_used_is_one_clear_error(
    development: Machine, url: str, failure: type[CommandFailed]
) -> None:
    development.monkeypatch.setenv("INTERLOCK_STORE", url)

    with pytest.raises(failure):
        await activate(DocumentKind.PINS, PINS, "anybody")


@pytest.mark.parametrize("words", [("approvers", "list"), ("policy", "activate", "--as", "dana", "--reason", "first")])
def test_no_command_makes_a_store_where_none_is(machine: Machine, words: tuple[str, ...]) -> None:
    machine.monkeypatch.setenv("INTERLOCK_STORE", f"sqlite:///{machine.folder}/mistyped/store.db")
    machine.capsys.readouterr()

    assert run(list(words)) == 3
    assert "correct INTERLOCK_STORE, or let `interlock worker` make it first" in machine.capsys.readouterr().err
    assert not (machine.folder / "mistyped").exists()


async def test_the_office_holds_what_its_settings_say(machine: Machine) -> None:
    async with open_office(Settings.read()) as office:
        assert isinstance(office, Office)
        assert (office.deployment, office.mode, office.tells_people) == ("acme", Mode.PRODUCTION, False)
