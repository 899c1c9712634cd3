"""deploy/notices.toml: nothing is declared in it, and what it shows as an example can be used."""

from pathlib import Path

import pytest

from tests.deploy.compose import DEPLOY
from workers.resources.notifying.file import NoticesFileUnusable, load_channels


def test_the_example_works_once_its_comment_signs_are_removed(tmp_path: Path) -> None:
    lines = (DEPLOY / "notices.toml").read_text().splitlines()
    example = tmp_path / "notices.toml"
    example.write_text("\n".join(line.removeprefix("#") for line in lines if line[:1] == "#" and line[1:2] != " "))
    (channel,) = load_channels(example)
    assert channel.name == "mail"


def test_nothing_is_declared_before_an_operator_does() -> None:
    with pytest.raises(NoticesFileUnusable, match="at least one"):
        load_channels(DEPLOY / "notices.toml")
