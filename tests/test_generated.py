"""The generated pages are current, and would not be if anything they are made from changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import generated
from tests.generated import expected, main, outdated, with_blocks, write
from tests.machine.test_definition import failing_machine, small_machine
from workers.settings import REPOSITORY
from workflows.catalog import Catalog


def test_the_generated_pages_are_current() -> None:
    assert outdated() == [], f"run `{generated.WRITE}`"


def test_every_automation_has_its_page() -> None:
    names = {f"docs/machines/{entry.name}.md" for entry in Catalog.load().entries()}
    assert names <= {str(path) for path in expected(REPOSITORY)}


def test_a_page_shows_diagram_states_and_endings() -> None:
    text = expected(REPOSITORY)[Path("docs/machines/refund.md")]
    assert "```mermaid\nflowchart TD\n" in text
    assert "| intake | busy | Read the order; what is refunded already is not refunded again. |" in text
    assert "| refunded | final, good |  |" in text
    assert "| rejected | awaiting_approval |" in text
    assert "| refunded | verifying; verifying escalated and a person chose skip;" in text
    assert "| issuing | retry (goes on in ruling), take over (goes on in verifying), abandon" in text


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the pages as they are."""
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    shutil.copy(REPOSITORY / "README.md", tmp_path)
    write(tmp_path)
    assert outdated(tmp_path) == []
    return tmp_path


def test_what_was_edited_deleted_or_left_over_is_found_and_put_right(copy: Path) -> None:
    page = copy / "docs" / "machines" / "refund.md"
    good = page.read_text()
    page.write_text(good.replace("busy", "lazy"))
    (copy / "docs" / "machines" / "errand.md").unlink()
    (copy / "docs" / "machines" / "forgotten.md").write_text("a machine that is no more")
    stale = [f"docs/machines/{name}.md" for name in ("errand", "forgotten", "refund")]
    assert outdated(copy) == stale
    assert write(copy) == stale
    assert outdated(copy) == []
    assert page.read_text() == good


def test_a_block_in_a_written_document_is_made_anew_and_the_rest_is_left_alone(copy: Path) -> None:
    readme = copy / "README.md"
    readme.write_text("before\n<!-- machine:refund -->\nold\n<!-- end -->\nbetween\n<!-- end -->\nafter\n")
    assert outdated(copy) == ["README.md"]
    write(copy)
    text = readme.read_text()
    assert text.startswith("before\n<!-- machine:refund -->\n```mermaid\nflowchart TD\n")
    assert text.endswith("```\n<!-- end -->\nbetween\n<!-- end -->\nafter\n")
    assert with_blocks(text) == text


def test_a_block_that_nobody_can_make_is_an_error() -> None:
    with pytest.raises(LookupError, match="no block 'weather'; there are: machine"):
        with_blocks("<!-- weather:today -->\n<!-- end -->")
    with pytest.raises(LookupError, match="no automation 'payroll'"):
        with_blocks("<!-- machine:payroll -->\n<!-- end -->")


def test_the_command_wants_to_be_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 2
    assert "--check --write" in capsys.readouterr().err


@pytest.mark.many
def test_the_check_as_make_calls_it_succeeds_in_silence() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "tests.generated", "--check"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_page_says_what_follows_by_itself_when_a_step_fails() -> None:
    told = [*generated.failures(failing_machine())]
    assert "| packing | the state is tried again every 0:05:00, 3 times at most; then a person chooses |" in told
    assert "| awaiting_pickup | everything is undone, and lost follows |" in told
    assert [*generated.failures(small_machine())] == []
