"""`interlock --help | --version | machines | doctor`: what needs no run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.main import COMMANDS, run
from tests.cli.conftest import CommandLine
from tests.cli.shop import Shop
from tests.workflows.trip_world import OUTSIDE

REPOSITORY = Path(__file__).parents[2]
BARE = {"PATH": "/usr/bin", "PYTHONPATH": str(REPOSITORY), "TEMPORAL_CONFIG_FILE": "/dev/null"}
"""An environment without a home, as containers have it."""


def test_help_lists_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from cli.main import run; code = run(['--help']);"
        "print(sorted({'temporalio', 'pydantic', 'workflows', 'opentelemetry'} & sys.modules.keys())); sys.exit(code)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], env=BARE, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )

    assert all(f" {name} " in shown.stdout for name in COMMANDS)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [["rns"], ["runs", "lst"], ["--frob"], ["runs", "show"], ["machines", "show", "x"]])
def test_a_mistyped_command_is_one_line_and_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = run(words)
    out, err = capsys.readouterr()

    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_machines_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["machines", "list", "--json"]) == 0
    machines = json.loads(capsys.readouterr().out)

    assert [machine["name"] for machine in machines][:3] == ["refund", "errand", "guest_checkout"]
    assert machines[0]["good"] == ["refunded"]
    assert machines[0]["transitions"]["verifying"] == ["refunded"]


def test_a_machine_is_shown_with_arrows_and_endings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["machines", "show", "refund"]) == 0
    shown = capsys.readouterr().out.splitlines()

    assert "awaiting_approval (waits) → issuing, assessing, rejected, expired" in shown
    assert "good endings: refunded" in shown
    assert "other endings: declined, rejected, expired, reversed, cancelled, undo_incomplete" in shown


def test_a_machine_is_shown_with_what_follows_a_failed_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INTERLOCK_AUTOMATIONS", str(OUTSIDE))
    assert run(["machines", "show", "trip"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert run(["machines", "show", "trip", "--json"]) == 0

    assert (
        shown[shown.index("driving → paying") + 1]
        == "  when a step fails: everything is undone, and called_off follows"
    )
    assert json.loads(capsys.readouterr().out)["failures"] == {"lodging": "lodging", "driving": "called_off"}


def test_a_machine_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["machines", "show", "errand", "--mermaid"]) == 0

    assert capsys.readouterr().out.startswith("flowchart TD\n    start(( ))\n")


def test_an_automation_from_an_outside_folder_that_cannot_be_imported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "broken.py").write_text("import no_such_module\n")
    monkeypatch.setenv("INTERLOCK_AUTOMATIONS", str(tmp_path))

    assert run(["machines", "list"]) == 2
    assert capsys.readouterr().err == "the automations cannot be loaded: No module named 'no_such_module'\n"


@pytest.mark.timeout(60)
async def test_doctor_is_content_when_everything_works(
    shop: Shop, temporal: WorkflowEnvironment, interlock: CommandLine
) -> None:
    examined = await interlock("doctor", "--json")

    checks = {check["name"]: check for check in examined.document}
    assert examined.code == 0, examined.out
    assert {"python", "temporal", "namespace", "search attributes", "worker", "automations"} <= checks.keys()
    assert checks["worker"]["found"].startswith("1 on task queue 'interlock'")


async def test_doctor_fails_and_names_the_way_out(
    interlock: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_STORE", f"sqlite:///{tmp_path}/none/store.db")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://user:secret@claude.example/v1?key=secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    examined = await interlock.anywhere("doctor", "--address", "127.0.0.1:1")

    assert examined.code == 1
    assert f"FAIL store: {tmp_path}/none/store.db does not exist; `interlock worker` makes it" in examined.out
    assert "FAIL temporal: Temporal at '127.0.0.1:1' (named by --address) does not answer" in examined.out
    assert "https://claude.example/v1; a key is set" in examined.out
    assert "secret" not in examined.out
    assert not (tmp_path / "none").exists()


def test_doctor_works_without_a_home_in_a_folder_it_may_not_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    examined = subprocess.run(
        [sys.executable, "-m", "cli.main", "doctor", "--json", "--address", "127.0.0.1:1"],
        env=BARE,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert examined.returncode == 1
    assert json.loads(examined.stdout)[0] == {"name": "python", "ok": True, "found": sys.version.split()[0]}
    assert examined.stderr == ""
