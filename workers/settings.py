"""What an operator sets: environment variables with the prefix INTERLOCK_. The Temporal connection has its own."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.deployment import Mode

REPOSITORY = Path(__file__).resolve().parents[1]


class SettingsWrong(ValueError):
    """An environment variable cannot be used; the message names it and the way out."""


def _existing(path: Path | None) -> Path | None:
    if path is not None and not path.exists():
        raise ValueError(f"{str(path)!r} does not exist")
    return path


def _a_second_to_a_day(span: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= span <= timedelta(days=1):
        raise ValueError("give between PT1S and P1D")
    return span


ExistingPath = Annotated[Path, AfterValidator(_existing)]


class Settings(BaseSettings):
    """The worker's settings. Every field is an environment variable: INTERLOCK_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", frozen=True, env_ignore_empty=True)

    mode: Mode = Mode.PRODUCTION
    """`development` takes unsigned decisions and accepts tools at first contact; `production` does neither."""
    deployment: str = Field(default="local", min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")
    """Names this installation in keys and decisions. Changing it orphans what was begun."""
    store: str = "sqlite:///.interlock/store.db"
    """sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE."""
    store_password_file: ExistingPath | None = None
    """A file with the password for `store`, so that it need not stand in the URL."""
    servers: ExistingPath | None = None
    """The TOML file that declares the MCP servers."""
    skills: ExistingPath | None = None
    """The TOML file that says which MCP clients are offered which automations, and whose tokens are taken."""
    automations: ExistingPath | None = None
    """A folder with automations of your own: workflows/, policies/, activities/prompts/."""
    model: str = "claude-sonnet-5-5"
    """The model for prompts that name none."""
    prices: ExistingPath | None = REPOSITORY / "workers" / "resources" / "prices.toml"
    """A TOML file with prices per million tokens by model prefix."""
    data: Path = Path(".interlock")
    """Where a worker keeps logs and private folders of MCP servers."""
    roster_root: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    """Digest of the deployment's first roster; a store with another first roster is not believed."""
    audit_key_file: ExistingPath | None = None
    """A PEM file with the Ed25519 key that signs checkpoints of the audit chain; only its owner may read it."""
    audit_checkpoints: Path | None = None
    """The file to which checkpoints are appended, best where workers can append and not rewrite."""
    notices: ExistingPath | None = None
    """The TOML file that says how people are told: mail, webhook, command."""
    sweep_every: Annotated[timedelta, AfterValidator(_a_second_to_a_day)] = timedelta(minutes=1)
    """How often one of the workers looks for runs that were terminated, reset or deleted: ISO 8601, such as PT1M."""
    concurrency: int = Field(default=50, ge=1, le=1000)
    """Activities a worker runs at once."""
    most_active_runs: int = Field(default=1000, ge=0)
    """Runs under way that do not wait for people; past it new ones are refused. 0: no limit. Alike in all workers."""

    @classmethod
    def read(cls) -> "Settings":
        """From the environment. Raises SettingsWrong."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = "INTERLOCK_" + "_".join(map(str, first["loc"])).upper()
            raise SettingsWrong(f"{name}={first['input']!r}: {first['msg']}") from error

    def store_url(self) -> str:
        """`store`, with the password of `store_password_file` put in."""
        if self.store_password_file is None:
            return self.store
        scheme, _, rest = self.store.partition("://")
        user, at, host = rest.rpartition("@")
        password = quote(self.store_password_file.read_text().strip(), safe="")
        return f"{scheme}://{user}:{password}{at}{host}"

    def policy_folders(self) -> tuple[Path, ...]:
        """Where the Cedar rules stand."""
        return (REPOSITORY / "policies", *self._outside("policies"))

    def prompt_folders(self) -> tuple[Path, ...]:
        """Where the prompts stand."""
        return (REPOSITORY / "activities" / "prompts", *self._outside("activities/prompts"))

    def _outside(self, folder: str) -> tuple[Path, ...]:
        path = self.automations / folder if self.automations else None
        return (path,) if path is not None and path.is_dir() else ()
