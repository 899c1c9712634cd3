"""`interlock freeze` and `interlock thaw`: one command each, signed where people must sign, shown while it stands."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.notices import NoticeEvent
from cli.diagnosis import Finding, explain
from cli.main import run
from cli.server import Server
from contracts.freezing import Freeze, FreezeScope, Thaw
from contracts.signing import SignedFor, is_signed_by
from tests.authority import Signer
from tests.cli.enrolment import Done, Machine
from tests.doubles import ScriptedClaude, asks_for, says
from tests.story import PATIENCE
from tests.workflows.errand_world import NOTE, an_errand
from workers.office import open_office
from workers.resources.store.freezes import FreezeRow
from workers.settings import Settings

WHY = ("--reason", "money leaves twice")


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of a production deployment: oscar is its operator, and eva may be one in an emergency."""
    made = Machine.ready(tmp_path, capsys, monkeypatch)
    made.well("enrol", "oscar", "--role", "operator")
    made.well("enrol", "eva", "--break-glass", "operator")
    made.two_admins()
    return made


@pytest.fixture
def development(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of a development deployment, where nobody has a key."""
    return Machine.ready(tmp_path, capsys, monkeypatch, mode="development")


def called(machine: Machine, *arguments: str) -> Done:
    """Run `interlock ARGUMENTS`."""
    machine.capsys.readouterr()
    with ThreadPoolExecutor(1) as thread:
        code = thread.submit(run, list(arguments)).result(timeout=60)
    out, err = machine.capsys.readouterr()
    return Done(code, out, err)


def well(machine: Machine, *arguments: str) -> Done:
    """The same, and it must succeed."""
    done = called(machine, *arguments)
    assert done.code == 0, done.err
    return done


def kept() -> tuple[FreezeRow, ...]:
    """The rows of the store."""

    async def look() -> tuple[FreezeRow, ...]:
        async with open_office(Settings.read()) as office:
            return await office.store.freezes.all()

    return asyncio.run(look())


def test_an_operator_freezes_and_thaws_with_one_signed_command_each(machine: Machine) -> None:
    done = well(machine, "freeze", "--server", "payments", *WHY, "--as", "oscar")
    [row] = kept()
    freeze = Freeze.model_validate_json(row.freeze)
    [key] = next(person for person in machine.roster().people if person.subject == "oscar").keys

    assert "FROZEN: the server 'payments'\n" in done.err
    assert "verify" not in done.err
    assert f"as {freeze.id}; nothing of it is sent from now on, undoing included\n" in done.out
    assert f"next: interlock thaw {freeze.id} --reason WHY\n" in done.out
    assert is_signed_by(key.public, SignedFor.FREEZE, freeze, freeze.signature or "")
    assert (freeze.deployment, freeze.subject, freeze.reason) == ("acme", "oscar", "money leaves twice")
    shown = well(machine, "freeze", "--list").out
    assert shown.startswith(f"{freeze.id}: the server 'payments' is frozen since ")
    assert shown.endswith(f" by 'oscar': money leaves twice\n  next: interlock thaw {freeze.id} --reason WHY\n")

    thawed = well(machine, "thaw", freeze.id, "--reason", "the report counted twice", "--as", "oscar")
    [row] = kept()
    thaw = Thaw.model_validate_json(row.thaw or "")
    assert thawed.out == f"thawed: the server 'payments', {freeze.id}; what waited goes on within 15 s\n"
    assert is_signed_by(key.public, SignedFor.THAW, thaw, thaw.signature or "")
    assert well(machine, "freeze", "--list").out == "nothing is frozen\n"
    assert "; thawed by 'oscar': the report counted twice\n" in well(machine, "freeze", "--list", "--all-time").out
    again = called(machine, "thaw", freeze.id, *WHY, "--as", "oscar")
    assert (again.code, again.err) == (
        1,
        f"{freeze.id} was thawed already by 'oscar': the report counted twice\n",
    )


def test_whoever_is_no_operator_freezes_nothing_until_they_take_the_role_in_an_emergency(machine: Machine) -> None:
    refused = [called(machine, "freeze", "--all", *WHY, "--as", name) for name in ("dana", "eva", "nobody")]

    assert [done.code for done in refused] == [1, 1, 1]
    assert refused[0].err == (
        "'dana' may not sign this freeze: they do not hold the role 'operator'; "
        "say who you are with --as, or ask one who may: oscar\n"
    )
    assert kept() == ()
    machine.well("break-glass", "--as", "eva", "--role", "operator", "--reason", "oscar is on a plane")
    well(machine, "freeze", "--all", *WHY, "--as", "eva")
    [frozen] = json.loads(well(machine, "freeze", "--list", "--json").out)
    assert (frozen["by"], frozen["doubt"], frozen["stands"], frozen["thawed"]) == ("eva", "", True, None)
    well(machine, "thaw", frozen["id"], "--reason", "all is well", "--as", "eva")
    [over] = json.loads(well(machine, "freeze", "--list", "--all-time", "--json").out)
    assert (over["stands"], over["thawed"]["by"], over["thawed"]["reason"]) == (False, "eva", "all is well")


def test_development_freezes_and_thaws_unsigned_and_says_so(development: Machine) -> None:
    done = well(development, "freeze", "--tool", "payments.issue_credit", *WHY, "--as", "rita", "--json")
    frozen = json.loads(done.out)
    [row] = kept()

    assert "development mode: this freeze is not signed\n" in done.err
    assert (frozen["scope"], frozen["target"], frozen["by"]) == ("tool", "payments.issue_credit", "rita")
    assert Freeze.model_validate_json(row.freeze).signature is None
    other = json.loads(well(development, "freeze", "--all", *WHY, "--as", "rita", "--json").out)
    thawed = well(development, "thaw", frozen["id"], "--reason", "enough", "--as", "rita")
    assert f"still frozen, as {other['id']}: everything is frozen since " in thawed.out
    assert [row.thaw is None for row in kept()] == [False, True]


def test_a_name_that_is_not_known_is_frozen_and_said(development: Machine) -> None:
    misspelt = well(development, "freeze", "--automation", "refunds", *WHY)

    told = (
        "no automation 'refunds' is known here, so this may stop nothing; there are: refund, errand, guest_checkout, "
    )
    assert told in misspelt.err
    assert len(kept()) == 1
    assert "is known here" not in well(development, "freeze", "--automation", "refund", *WHY).err


MISUSES: list[tuple[tuple[str, ...], str]] = [
    (("freeze", *WHY), "say what to stop, once: --all, --automation NAME, --server NAME or --tool SERVER.TOOL"),
    (("freeze", "--all", "--server", "payments", *WHY), "say what to stop, once"),
    (("freeze", "--tool", "payments", *WHY), "--tool 'payments' names no tool; write SERVER.TOOL"),
    (("freeze", "--all"), "--reason is empty; say why, everybody who waits reads it"),
    (("freeze", "--all", "--reason", " "), "--reason is empty"),
    (("freeze", "--all", "--reason", "x" * 301), "--reason has 301 characters and may have 300; shorten it"),
    (("freeze", "--list", "--all", *WHY), "--list shows what is stopped and stops nothing; give it alone"),
    (("thaw", "f-00000000", *WHY), "no freeze is called 'f-00000000'; those that stand: none"),
]


def test_what_cannot_be_used_is_told_in_one_line_and_stops_nothing(development: Machine) -> None:
    for arguments, problem in MISUSES:
        done = called(development, *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert done.err.splitlines()[-1].startswith(problem)
    assert kept() == ()


def test_operators_are_told_by_the_declared_channels(development: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = development.folder / "notices.toml"
    channels.write_text('[channels.pager]\ntype = "command"\ncommand = ["true"]\n')
    assert "nobody is told of this" in well(development, "freeze", "--server", "crm", *WHY).err
    monkeypatch.setenv("INTERLOCK_NOTICES", str(channels))
    frozen = json.loads(well(development, "freeze", "--all", *WHY, "--json").out)
    assert "nobody is told" not in well(development, "thaw", frozen["id"], *WHY).err

    async def events() -> list[NoticeEvent]:
        async with open_office(Settings.read()) as office:
            return [row.notice.event for row in await office.outbox.waiting(10)]

    assert sorted(asyncio.run(events())) == [NoticeEvent.FROZEN, NoticeEvent.THAWED]


async def test_why_says_that_a_frozen_run_is_held_and_names_the_command_that_thaws_it(
    temporal: WorkflowEnvironment,
) -> None:
    claude = ScriptedClaude([asks_for(NOTE), says("It is done.")], hold=asyncio.Event())
    assert claude.hold is not None
    async with an_errand(temporal, claude=claude) as errand:
        await claude.until_asked()
        reason = "lost; to go on: interlock runs cancel errand"
        freeze = Signer("olga").freezes("stories", await errand.run.now(), FreezeScope.SERVER, "crm", reason=reason)
        await errand.story.store.freezes.freeze(freeze, (), freeze.issued_at)
        claude.hold.set()
        finding = await held(Server(errand.story.client), errand.run.handle.id)
        await errand.run.cancel()
        await errand.run.ending()

    assert finding.problem.startswith("held: the server 'crm' is frozen since ")
    assert "; call_tool looks again " in finding.problem
    assert "failed" not in finding.problem
    assert finding.next_command == f"interlock thaw {freeze.id} --reason WHY"


async def held(server: Server, run: str) -> Finding:
    """What `runs why` finds of a run that is held, once it is. Raises AssertionError after a bounded wait."""
    deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
    while True:
        found = [each for each in (await explain(server, run)).findings if each.subject == run]
        if found:
            return found[0]
        assert asyncio.get_running_loop().time() < deadline, "nothing holds it"
        await asyncio.sleep(0.04)
