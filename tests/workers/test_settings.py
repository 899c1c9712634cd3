"""Settings: from the environment, strict by default, and every mistake names its variable."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.deployment import Mode
from workers.settings import REPOSITORY, Settings, SettingsWrong


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours is set."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"INTERLOCK_{field.upper()}", raising=False)


def test_without_a_word_a_worker_runs_in_production() -> None:
    settings = Settings.read()
    assert settings.mode is Mode.PRODUCTION
    assert settings.store_url() == "sqlite:///.interlock/store.db"
    assert settings.servers is None


def test_every_setting_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {
        "mode": "development",
        "deployment": "berlin-1",
        "store": "postgresql+psycopg://me@db/interlock",
        "store_password_file": str(tmp_path),
        "servers": str(tmp_path),
        "skills": str(tmp_path),
        "automations": str(tmp_path),
        "model": "claude-of-tomorrow",
        "prices": str(tmp_path),
        "data": str(tmp_path),
        "roster_root": "sha256:" + "0" * 64,
        "audit_key_file": str(tmp_path),
        "audit_checkpoints": str(tmp_path / "checkpoints.jsonl"),
        "notices": str(tmp_path),
        "concurrency": "7",
        "most_active_runs": "500",
        "sweep_every": "PT30S",
    }
    assert set(given) == set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", value)
    settings = Settings.read()
    found = {name: str(getattr(settings, name)) for name in given}
    assert found == given | {"sweep_every": "0:00:30"}


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.setenv(f"INTERLOCK_{field.upper()}", "")
    assert Settings.read() == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("INTERLOCK_MODE", "devel", "'development' or 'production'"),
        ("INTERLOCK_MODE", "Development", "'development' or 'production'"),
        ("INTERLOCK_DEPLOYMENT", "two words", "should match pattern"),
        ("INTERLOCK_DEPLOYMENT", "x" * 201, "at most 200 characters"),
        ("INTERLOCK_SERVERS", "/nowhere/servers.toml", "'/nowhere/servers.toml' does not exist"),
        ("INTERLOCK_AUTOMATIONS", "/nowhere", "'/nowhere' does not exist"),
        ("INTERLOCK_STORE_PASSWORD_FILE", "/nowhere/password", "'/nowhere/password' does not exist"),
        ("INTERLOCK_CONCURRENCY", "0", "greater than or equal to 1"),
        ("INTERLOCK_CONCURRENCY", "many", "valid integer"),
        ("INTERLOCK_MOST_ACTIVE_RUNS", "-1", "greater than or equal to 0"),
        ("INTERLOCK_SWEEP_EVERY", "PT0.1S", "give between PT1S and P1D"),
        ("INTERLOCK_SWEEP_EVERY", "often", "valid timedelta"),
    ],
)
def test_a_mistake_is_told_with_its_variable_and_value(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsWrong) as wrong:
        Settings.read()
    assert str(wrong.value).startswith(f"{variable}=")
    assert value in str(wrong.value)
    assert said in str(wrong.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings.read(), "mode", Mode.DEVELOPMENT)  # noqa: B010 - the type checker refuses it, too


@pytest.mark.parametrize(
    ("password", "written"),
    [("plain\n", "plain"), ("p@ss/w:rd?#%", "p%40ss%2Fw%3Ard%3F%23%25"), ("größe", "gr%C3%B6%C3%9Fe")],
)
def test_the_password_of_the_store_comes_from_its_file(tmp_path: Path, password: str, written: str) -> None:
    file = tmp_path / "password"
    file.write_text(password)
    settings = Settings(store="postgresql+psycopg://me@db:5432/interlock", store_password_file=file)
    assert settings.store_url() == f"postgresql+psycopg://me:{written}@db:5432/interlock"
    assert password.strip() not in repr(settings)


def test_rules_and_prompts_of_an_outside_folder_come_after_ours(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    settings = Settings(automations=tmp_path)
    assert settings.policy_folders() == (REPOSITORY / "policies", tmp_path / "policies")
    assert settings.prompt_folders() == (REPOSITORY / "activities" / "prompts",)
    (tmp_path / "activities" / "prompts").mkdir(parents=True)
    assert settings.prompt_folders()[1:] == (tmp_path / "activities" / "prompts",)
    assert Settings().policy_folders() == (REPOSITORY / "policies",)


def test_whatever_a_worker_reads_by_default_is_part_of_the_installed_packages() -> None:
    """The image of a worker has the packages and nothing else of the repository."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    settings = Settings.read()
    assert settings.prices is not None
    for path in (settings.prices, *settings.policy_folders(), *settings.prompt_folders()):
        assert path.exists()
        assert path.relative_to(REPOSITORY).parts[0] in packages
