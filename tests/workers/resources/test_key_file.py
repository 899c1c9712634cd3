"""The key of checkpoints: in a file that is its owner's alone."""

import stat
from pathlib import Path

import pytest

from contracts.signing import public_half
from workers.resources import key_file
from workers.resources.key_file import KeyFileUnusable, read_key, read_or_make_key


def test_a_key_that_was_made_is_read_again_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.pem"
    made = read_or_make_key(path)
    assert public_half(read_or_make_key(path)) == public_half(made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o001])
def test_a_key_file_that_others_may_read_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit.pem"
    read_or_make_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileUnusable, match=rf"may be read by others \(mode {mode:04o}\); chmod 600 it"):
        read_key(path)


def test_where_secrets_are_mounted_any_mode_will_do_and_no_other_file_is_reached_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "mounted"
    monkeypatch.setattr(key_file, "MOUNTED", mounted)
    for path in (mounted / "audit.pem", tmp_path / "audit.pem"):
        read_or_make_key(path)
        path.chmod(0o644)
    read_key(mounted / "audit.pem")
    with pytest.raises(KeyFileUnusable, match="may be read by others"):
        read_key(mounted / ".." / "audit.pem")


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_holds_no_key_is_refused_without_repeating_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "audit.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnusable, match="holds no Ed25519 key in PEM; make one with `openssl"):
        read_key(path)
