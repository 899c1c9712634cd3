"""Read prompts: one Markdown file per state, `prompts/<automation>/<state>.md`, here or beside outside automations."""

import string
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from contracts.model import Model

_FRONT, _USER = "+++", "\n=== user ===\n"


class PromptBroken(ValueError):
    """A prompt is missing, or cannot be used as written."""


class PromptSettings(Model):
    """What a prompt file may set in its front matter (TOML between two lines of +++)."""

    model: str = ""
    """Empty: the deployment's model."""
    max_tokens: int = 4096
    effort: str = ""


class Prompt(Model):
    """A prompt, filled in."""

    settings: PromptSettings
    system: str
    user: str


class PromptFiles:
    """The prompts of all folders; a later folder's prompt of the same name wins."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._paths = {
            str(path.relative_to(folder).with_suffix("")): path
            for folder in folders
            for path in sorted(folder.glob("*/*.md"))
        }
        self._templates: dict[Path, tuple[int, _Template]] = {}

    def fill(self, name: str, variables: Mapping[str, str]) -> Prompt:
        """The prompt `name` with `$variables` filled in. Raises PromptBroken naming file and variable."""
        path = self._paths.get(name)
        if path is None:
            raise PromptBroken(f"no prompt {name!r}; write activities/prompts/{name}.md")
        settings, system, user = self._read(path)
        try:
            return Prompt(settings=settings, system=_filled(system, variables), user=_filled(user, variables))
        except (KeyError, ValueError) as error:
            raise PromptBroken(
                f"{path}: cannot fill in {error}; the automation gives {', '.join(sorted(variables))}"
            ) from error

    def _read(self, path: Path) -> "_Template":
        """Read anew only once the file was written to."""
        written_at = path.stat().st_mtime_ns
        known = self._templates.get(path)
        if known is None or known[0] != written_at:
            known = self._templates[path] = (written_at, _template(path))
        return known[1]


class _Template(NamedTuple):
    settings: PromptSettings
    system: str
    user: str


def _template(path: Path) -> _Template:
    settings, text = _front_matter(path)
    if _USER not in text:
        raise PromptBroken(f"{path}: no line '=== user ===' between the system prompt and the first message")
    return _Template(settings, *text.split(_USER, 1))


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return string.Template(text).substitute(variables).strip()


def _front_matter(path: Path) -> tuple[PromptSettings, str]:
    text = path.read_text()
    if not text.startswith(_FRONT):
        return PromptSettings(), text
    _, front, *rest = text.split(_FRONT, 2)
    if not rest:
        raise PromptBroken(f"{path}: front matter: no second line {_FRONT} ends it")
    try:
        return PromptSettings.model_validate(tomllib.loads(front)), rest[0]
    except ValueError as error:
        raise PromptBroken(f"{path}: front matter: {error}") from error
