"""What an automation says about its context: one page, `prompts/<automation>/context.toml`; without it, the defaults.

Sizes are in bytes, money in the currency of the prices file, times in hours.
"""

import tomllib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from contracts.model import Model

PAGE = "context.toml"


class ContextBroken(ValueError):
    """A page cannot be used as written; the message names file and field."""


class Shown(Model):
    """How much of a conversation Claude sees."""

    result_bytes: int = Field(default=8 * 1024, ge=512, le=256 * 1024)
    """A larger result is shown as shape, size, first rows and a reference."""
    recent_bytes: int = Field(default=48 * 1024, ge=4 * 1024)
    """Once more than this stands in full, older results become one line each."""
    kept_bytes: int = Field(default=16 * 1024, ge=1024)
    """So much of the newest stays in full then: they are exchanged in batches, so that what came before is cached."""
    turns: int = Field(default=120, ge=10, le=5000)
    """Once more turns than this are shown, the older half is told in a few lines instead."""
    facts_bytes: int = Field(default=4 * 1024, ge=256)
    """Of what the machine knows, shown last."""


class Summary(Model):
    """A running summary of what is not shown any more; off while no model is named."""

    model: str = ""
    max_tokens: int = Field(default=1024, ge=64)


class ContextEditing(Model):
    """The API's own context editing: old results are cleared there as well; off by default."""

    clear_at_input_tokens: int = Field(default=0, ge=0)
    """0: off."""
    keep_tool_uses: int = Field(default=5, ge=1)


class Limits(Model):
    """The most that may be spent; 0 is no limit."""

    turns: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    """Input, cached or not, and output together."""
    money: Decimal = Field(default=Decimal(0), ge=0)
    hours: float = Field(default=0, ge=0)
    """Since the run was started; nothing for a requester."""


class Budget(Model):
    """What one run may spend, and what one requester may within a day (UTC) in all runs of this automation."""

    run: Limits = Limits(turns=2000, tokens=20_000_000, money=Decimal(20))
    requester: Limits = Limits(money=Decimal(200))
    warn_at: float = Field(default=0.8, gt=0, lt=1)
    """Claude is told once this share of a limit is spent."""


class ContextSettings(Model):
    """The page."""

    v: Literal[1] = 1
    shown: Shown = Shown()
    summary: Summary = Summary()
    editing: ContextEditing = ContextEditing()
    budget: Budget = Budget()


class ContextFiles:
    """The pages of all folders of prompts; a later folder's page of the same automation wins."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Raises ContextBroken."""
        self._pages = {path.parent.name: _read(path) for folder in folders for path in sorted(folder.glob(f"*/{PAGE}"))}

    def of(self, automation: str) -> ContextSettings:
        """What `automation` says, or the defaults."""
        return self._pages.get(automation, ContextSettings())


def _read(path: Path) -> ContextSettings:
    try:
        return ContextSettings.model_validate(tomllib.loads(path.read_text()), strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ContextBroken(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except tomllib.TOMLDecodeError as error:
        raise ContextBroken(f"{path}: {error}") from error
