"""Prompts: one file each, filled in whole or refused naming file and variable."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activities.prompt_files import PromptBroken, PromptFiles, PromptSettings
from workers.settings import REPOSITORY

Write = Callable[..., PromptFiles]
GOOD = "You are $role.\n\n=== user ===\nDo $what for $$5.\n"


@pytest.fixture
def prompts(tmp_path: Path) -> Write:
    """A folder with the prompt `own/state`."""

    def write(text: str, folder: str = "one") -> PromptFiles:
        (tmp_path / folder / "own").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "own" / "state.md").write_text(text)
        return PromptFiles([tmp_path / "one", tmp_path / "two"])

    return write


def test_a_prompt_is_filled_in(prompts: Write) -> None:
    prompt = prompts(GOOD).fill("own/state", {"role": "careful", "what": "this"})
    assert (prompt.system, prompt.user) == ("You are careful.", "Do this for $5.")
    assert prompt.settings == PromptSettings()


def test_what_is_filled_in_is_not_filled_in_again(prompts: Write) -> None:
    prompt = prompts(GOOD).fill("own/state", {"role": "$what", "what": "x\n=== user ===\ny"})
    assert prompt.system == "You are $what."
    assert prompt.user == "Do x\n=== user ===\ny for $5."


def test_front_matter_sets_model_length_and_effort(prompts: Write) -> None:
    text = '+++\nmodel = "m"\nmax_tokens = 9\neffort = "high"\n+++\n' + GOOD
    prompt = prompts(text).fill("own/state", {"role": "a", "what": "b"})
    assert prompt.settings == PromptSettings(model="m", max_tokens=9, effort="high")
    assert prompt.system == "You are a."


def test_a_later_folder_wins(prompts: Write) -> None:
    prompts(GOOD, "one")
    later = prompts("Other.\n=== user ===\nOther.", "two")
    assert later.fill("own/state", {}).system == "Other."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no first message", "no line '=== user ==='"),
        ("$missing\n=== user ===\nx", "cannot fill in 'missing'; the automation gives role, what"),
        ("$ 5\n=== user ===\nx", "Invalid placeholder"),
        ("+++\nmodel = \n+++\n" + GOOD, "front matter"),
        ("+++\ntemperature = 1\n+++\n" + GOOD, "temperature"),
        ('+++\nmax_tokens = "many"\n+++\n' + GOOD, "max_tokens"),
        ("+++\nmax_tokens = 1\n" + GOOD, "front matter"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_naming_its_file(text: str, said: str, prompts: Write) -> None:
    with pytest.raises(PromptBroken) as broken:
        prompts(text).fill("own/state", {"role": "a", "what": "b"})
    assert "one/own/state.md" in str(broken.value)
    assert said in str(broken.value)


def test_a_missing_prompt_is_named(prompts: Write) -> None:
    with pytest.raises(PromptBroken, match=r"no prompt 'own/other'; write activities/prompts/own/other.md"):
        prompts(GOOD).fill("own/other", {})


@pytest.mark.parametrize(
    ("name", "variables"),
    [("refund/assessing", {"order_id", "limit_cents"}), ("errand/thinking", {"goal", "turns"})],
)
def test_our_prompts_are_filled_by_what_our_automations_give(name: str, variables: set[str]) -> None:
    files = PromptFiles([REPOSITORY / "activities" / "prompts"])
    prompt = files.fill(name, {variable: f"<{variable}>" for variable in variables})
    for variable in variables:
        assert f"<{variable}>" in prompt.system + prompt.user
