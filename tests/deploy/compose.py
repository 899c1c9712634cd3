"""docker-compose.yml as the tests of this folder see it."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

REPOSITORY = Path(__file__).parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
DEPLOY = REPOSITORY / "deploy"


class Read(BaseModel):
    """What of the file the tests ask for; the schema checks the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class HealthCheck(Read):
    test: tuple[str, ...]


class Waiting(Read):
    condition: str


class Build(Read):
    context: str
    dockerfile: str
    target: str


class Service(Read):
    image: str
    restart: str
    build: Build | None = None
    container_name: str | None = None
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    environment: dict[str, str | None] = {}
    healthcheck: HealthCheck | None = None
    depends_on: dict[str, Waiting] = {}


class Secret(Read):
    file: str


class Compose(Read):
    services: dict[str, Service]
    volumes: dict[str, None]
    secrets: dict[str, Secret]


def load() -> Compose:
    return Compose.model_validate(yaml.safe_load(COMPOSE.read_text()))
