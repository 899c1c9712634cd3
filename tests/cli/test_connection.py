"""Which server a command talks to: flag, then environment, then what `interlock dev` wrote."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.connection import find_development, find_server
from cli.exits import NotReachable, WrongInput
from cli.office import settings_here
from contracts.deployment import Mode
from workers.embedded.another_worker import for_another_worker
from workers.embedded.running import RunningDevelopment, write_running


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))


def dev_writes(folder: Path, mode: Mode = Mode.DEVELOPMENT) -> None:
    """As `interlock dev` leaves it while it runs."""
    kept = folder / ".interlock"
    kept.mkdir()
    running = RunningDevelopment(
        pid=1,
        folder=kept,
        started_at=datetime.now(UTC),
        temporal_address="127.0.0.1:7239",
        namespace="default",
        web_ui="http://127.0.0.1:8233",
        deployment="dev-1",
        mode=mode,
        store_url="sqlite:///store.db",
        claude="simulator",
        simulator_url="http://127.0.0.1:8787",
        servers_file=folder / "servers.toml",
        servers=(),
        worker_pids=(),
        processes=(),
    )
    write_running(kept / "dev.json", running)


def test_the_file_of_interlock_dev_is_found_from_a_folder_within(tmp_path: Path) -> None:
    dev_writes(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)

    target = find_server(folder=tmp_path / "a" / "b")

    assert (target.address, target.namespace) == ("127.0.0.1:7239", "default")
    assert target.said_by == str(tmp_path / ".interlock" / "dev.json")


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dev_writes(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "cluster:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "team-a")

    target = find_server(folder=tmp_path)

    assert (target.address, target.namespace) == ("cluster:7233", "team-a")


def test_the_flag_comes_before_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dev_writes(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "cluster:7233")

    target = find_server("other:7233", "team-b", tmp_path)

    assert (target.address, target.namespace) == ("other:7233", "team-b")


def test_nothing_anywhere_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match="start one with `interlock dev`"):
        find_server(folder=tmp_path)


def test_a_profile_that_does_not_exist_is_wrong_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nowhere")

    with pytest.raises(WrongInput, match="nowhere"):
        find_server(folder=tmp_path)


def test_beside_an_interlock_dev_in_production_commands_and_workers_run_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev_writes(tmp_path, Mode.PRODUCTION)
    kept = tmp_path / ".interlock"
    monkeypatch.chdir(tmp_path)
    for name in ("INTERLOCK_STORE", "INTERLOCK_DEPLOYMENT", "INTERLOCK_MODE"):
        monkeypatch.delenv(name, raising=False)

    settings = settings_here()
    worker = for_another_worker(find_development(tmp_path)[0], {})

    assert (settings.mode, settings.audit_key_file) == (Mode.PRODUCTION, kept / "audit.key")
    assert worker["INTERLOCK_MODE"] == "production"
    assert worker["INTERLOCK_AUDIT_KEY_FILE"] == str(kept / "audit.key")
    assert worker["INTERLOCK_AUDIT_CHECKPOINTS"] == str(settings.audit_checkpoints)
