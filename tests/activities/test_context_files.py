"""The page on which an automation says how much Claude sees and what may be spent."""

from decimal import Decimal
from pathlib import Path

import pytest

from activities.context_files import ContextBroken, ContextFiles, ContextSettings


def pages(folder: Path, text: str, automation: str = "refund") -> ContextFiles:
    """The pages of a folder with one of this text."""
    (folder / automation).mkdir(parents=True)
    (folder / automation / "context.toml").write_text(text)
    return ContextFiles([folder])


def test_without_a_page_the_defaults_hold(tmp_path: Path) -> None:
    files = ContextFiles([tmp_path])
    assert files.of("refund") == ContextSettings()
    assert files.of("refund").shown.result_bytes == 8 * 1024
    assert files.of("refund").summary.model == ""
    assert files.of("refund").editing.clear_at_input_tokens == 0


def test_a_page_says_what_differs(tmp_path: Path) -> None:
    files = pages(tmp_path, '[shown]\nresult_bytes = 1024\n[budget.run]\nmoney = "1.50"\nturns = 7\n')
    assert files.of("refund").shown.result_bytes == 1024
    assert (files.of("refund").budget.run.money, files.of("refund").budget.run.turns) == (Decimal("1.50"), 7)
    assert files.of("refund").shown.recent_bytes == ContextSettings().shown.recent_bytes
    assert files.of("errand") == ContextSettings()


def test_the_page_of_a_later_folder_wins(tmp_path: Path) -> None:
    pages(tmp_path / "ours", "[shown]\nturns = 50\n")
    pages(tmp_path / "theirs", "[shown]\nturns = 60\n")
    assert ContextFiles([tmp_path / "ours", tmp_path / "theirs"]).of("refund").shown.turns == 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[shown]\nresult_bytes = 7\n", "shown.result_bytes: Input should be greater than or equal to 512"),
        ("[shown]\nresults = 7\n", "shown.results: Extra inputs are not permitted"),
        ("[budget.run]\nmoney = -1\n", "budget.run.money: Input should be greater than or equal to 0"),
        ("[shown\n", "context.toml: "),
    ],
)
def test_a_page_that_cannot_be_used_is_told_by_its_name_and_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ContextBroken) as broken:
        pages(tmp_path, text)
    assert said in str(broken.value)
    assert "refund/context.toml" in str(broken.value)
