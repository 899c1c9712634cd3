"""Which installation this is, and how strictly it takes decisions."""

from enum import StrEnum

from contracts.model import Model


class Mode(StrEnum):
    """In development unsigned decisions count, loudly; in production nothing unsigned counts."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Deployment(Model):
    """One installation: part of every idempotency key and of every decision."""

    id: str
    namespace: str
    mode: Mode = Mode.PRODUCTION
