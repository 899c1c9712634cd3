"""deploy/make-secrets: writes every secret that docker-compose.yml names, once, for its owner alone."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from contracts.signing import public_half
from tests.deploy.compose import DEPLOY, REPOSITORY, load
from workers.resources.key_file import KeyFileUnusable, read_key


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as the script needs."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(DEPLOY / "make-secrets", tmp_path / "deploy")
    return tmp_path


def make_secrets(clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = str(clone / "deploy" / "make-secrets")
    return subprocess.run([program, *arguments], cwd="/", capture_output=True, text=True, timeout=30, check=False)


def written(clone: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (clone / "deploy" / "secrets").iterdir()}


def test_every_secret_that_compose_names_is_written_and_differs_from_the_others(clone: Path) -> None:
    assert make_secrets(clone).returncode == 0
    named = {Path(secret.file) for secret in load().secrets.values()}
    assert {path.parent for path in named} == {Path("deploy/secrets")}
    assert set(written(clone)) == {path.name for path in named}
    assert len(set(written(clone).values())) == len(named)
    passwords = {name: value for name, value in written(clone).items() if name != "audit_key"}
    assert all(len(value) == 48 and not value.isspace() for value in passwords.values())


def test_the_audit_key_is_one_that_a_worker_takes_and_its_public_half_is_told(clone: Path) -> None:
    said = make_secrets(clone).stdout
    key_file = clone / "deploy" / "secrets" / "audit_key"
    with pytest.raises(KeyFileUnusable, match="may be read by others"):
        read_key(key_file)  # outside of a container its mode counts
    key_file.chmod(0o600)
    assert public_half(read_key(key_file)) in said.splitlines()


def test_two_machines_get_different_passwords(clone: Path) -> None:
    make_secrets(clone)
    first = written(clone)
    shutil.rmtree(clone / "deploy" / "secrets")
    (clone / ".env").unlink()
    make_secrets(clone)
    assert not set(first.values()) & set(written(clone).values())


def test_nobody_else_on_the_machine_can_reach_them(clone: Path) -> None:
    make_secrets(clone)
    assert stat.S_IMODE((clone / "deploy" / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600


def test_the_deployment_is_named_in_the_environment_file(clone: Path) -> None:
    make_secrets(clone, "acme-eu")
    assert "INTERLOCK_DEPLOYMENT=acme-eu\n" in (clone / ".env").read_text()


@pytest.mark.parametrize("existing", [".env", "deploy/secrets/store_password"])
def test_what_exists_is_never_overwritten(clone: Path, existing: str) -> None:
    (clone / "deploy" / "secrets").mkdir()
    (clone / existing).write_text("precious")
    refusal = make_secrets(clone)
    assert refusal.returncode == 1
    assert existing in refusal.stderr
    assert (clone / existing).read_text() == "precious"
    assert {path.name for path in clone.rglob("*") if path.is_file()} == {"make-secrets", Path(existing).name}


@pytest.mark.parametrize("name", ["-x", "a b", "Über", "x$(y)"])
def test_a_name_that_is_no_name_is_refused_and_nothing_written(clone: Path, name: str) -> None:
    assert make_secrets(clone, name).returncode == 1
    assert not (clone / ".env").exists()


def test_secrets_never_reach_a_commit_or_an_image() -> None:
    assert (DEPLOY / "secrets" / ".gitignore").read_text().splitlines()[1] == "*"
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert sent[1] == "*"
    assert not [line for line in sent if "secrets" in line or ".env" in line or line in ("!deploy", "!.")]
    assert (REPOSITORY / "deploy" / "secrets").is_dir()
