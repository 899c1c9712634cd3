"""The three kinds of change: where the truth about each stands, what stands in its way, and which steps bring it about.

Everything here is plain data and plain functions of what was asked for and what was read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.tools import Scalar
from workflows.operations_change.plan import Wanted

MOST_CONSUMERS = 5
Found = Mapping[str, Scalar]


@dataclass(frozen=True)
class Asked:
    """What a change is asked for, as its kind needs it."""

    subject: str
    version: str
    keep_hours: int
    reference: str
    """The run's own id, under which every system keeps what it does."""


@dataclass(frozen=True)
class Reading:
    """A read that tells about the subject: the arguments it takes, and the facts by JSON pointer."""

    tool: str
    arguments: Callable[[Asked], dict[str, str]]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """One kind of change."""

    noun: str
    named_by: str
    """The argument by which every tool knows the subject."""
    readings: tuple[Reading, ...]
    obstacle: Callable[[Asked, Found], str]
    """Why it cannot be done at all; empty when it can."""
    wanted: Callable[[Asked, Found], Sequence[Sequence[Wanted]]]
    keeps: Callable[[Asked, Found, Found], str]
    """Why it must not be done any more: what was read, and what is read now; empty when it may."""

    @property
    def tools(self) -> tuple[str, ...]:
        """What Claude may read with."""
        return (*(each.tool for each in self.readings), "changes.changes_of")


# Deployments: one instance first, then all.


def _deployable(asked: Asked, found: Found) -> str:
    if found["version_status"] != "released":
        return f"version {asked.version!r} is {found['version_status'] or 'not known'}, not released"
    if found["version"] == asked.version:
        return f"it runs {asked.version} already"
    return f"it is trying {found['canary']} already" if found["canary"] is not None else ""


def _deployment(asked: Asked, found: Found) -> Sequence[Sequence[Wanted]]:
    def deploy(stage: str, shows: dict[str, str | int]) -> Wanted:
        arguments: dict[str, str | int] = {"service": asked.subject, "version": asked.version, "stage": stage}
        return Wanted("releases.deploy", arguments, shows, "releases.roll_back")

    return (
        (deploy("canary", {"canary": asked.version, "canary_status": "healthy"}),),
        (deploy("all", {"version": asked.version, "status": "healthy"}),),
    )


# Rotations: the old version is revoked last, and until then everything can be taken back.


def _rotatable(asked: Asked, found: Found) -> str:
    if found["pending_version"] is not None:
        return f"version {found['pending_version']} is pending already, for {found['issued_by']}"
    count = found["consumer_count"]
    if isinstance(count, int) and count > MOST_CONSUMERS:
        return f"{count} consumers use it; one plan switches {MOST_CONSUMERS} at most"
    return ""


def _rotation(asked: Asked, found: Found) -> Sequence[Sequence[Wanted]]:
    named: dict[str, str | int] = {"credential": asked.subject}
    consumers = [name.removeprefix("consumer ") for name in found if name.startswith("consumer ")]
    old = found["current_version"]
    assert isinstance(old, int)
    issue = Wanted("vault.issue_version", named, {"issued_by": asked.reference}, "vault.withdraw_version")
    switches = [
        Wanted(
            "vault.switch_consumer",
            {**named, "consumer": consumer},
            {f"consumer {consumer}": "pending"},
            "vault.switch_back",
        )
        for consumer in consumers
    ]
    shows: dict[str, str | int] = {"revoked_version": old, "revoked_by": asked.reference}
    return (issue,), switches, (Wanted("vault.revoke_version", {**named, "version": old}, shows),)


# Deletions: marked first, kept a while, looked at once more, and purged last.


def _deletable(asked: Asked, found: Found) -> str:
    if found["legal_hold"] is not None:
        return f"it is under legal hold: {found['legal_hold']}"
    return "" if found["status"] == "active" else f"it is {found['status']} already"


def _deletion(asked: Asked, found: Found) -> Sequence[Sequence[Wanted]]:
    named: dict[str, str | int] = {"dataset": asked.subject}
    marked: dict[str, str | int] = {"status": "marked", "marked_by": asked.reference}
    purged: dict[str, str | int] = {"status": "purged", "purged_by": asked.reference}
    looked_at = str(found["content_digest"])
    mark = Wanted("archive.mark_for_deletion", {**named, "keep_hours": asked.keep_hours}, marked, "archive.restore")
    return (mark,), (Wanted("archive.purge", {**named, "content_digest": looked_at}, purged),)


def _still_deletable(asked: Asked, before: Found, now: Found) -> str:
    if now["legal_hold"] is not None:
        return f"it is under legal hold: {now['legal_hold']}"
    if now["status"] != "marked" or now["marked_by"] != asked.reference:
        return f"it is {now['status']}, and no longer marked by this run"
    if now["content_digest"] != before["content_digest"]:
        return f"it has changed since it was approved: {before['row_count']} rows -> {now['row_count']}"
    return ""


def _never(asked: Asked, before: Found, now: Found) -> str:
    """There is no last look."""
    return ""


_SERVICE = {
    "count": "/count",
    **{
        name: f"/services/0/{name}"
        for name in ("version", "status", "error_permille", "canary", "canary_status", "changed_by")
    },
}
_CREDENTIAL = {
    "count": "/count",
    **{
        name: f"/credentials/0/{name}"
        for name in (
            "current_version",
            "pending_version",
            "issued_by",
            "revoked_version",
            "revoked_by",
            "consumer_count",
        )
    },
    **{
        f"{what} {number}": f"/credentials/0/consumers/{number}/{what}"
        for number in range(MOST_CONSUMERS)
        for what in ("consumer", "uses")
    },
}
_DATASET = {
    "count": "/count",
    **{
        name: f"/datasets/0/{name}"
        for name in (
            "status",
            "row_count",
            "content_digest",
            "last_used_at",
            "legal_hold",
            "marked_by",
            "purge_from",
            "purged_by",
        )
    },
}

DEPLOYMENT = Kind(
    noun="service",
    named_by="service",
    readings=(
        Reading("releases.find_service", lambda asked: {"service": asked.subject}, _SERVICE),
        Reading(
            "releases.find_versions",
            lambda asked: {"service": asked.subject, "version": asked.version},
            {"version_status": "/versions/0/status"},
        ),
    ),
    obstacle=_deployable,
    wanted=_deployment,
    keeps=_never,
)
ROTATION = Kind(
    noun="credential",
    named_by="credential",
    readings=(Reading("vault.find_credential", lambda asked: {"credential": asked.subject}, _CREDENTIAL),),
    obstacle=_rotatable,
    wanted=_rotation,
    keeps=_never,
)
DELETION = Kind(
    noun="dataset",
    named_by="dataset",
    readings=(Reading("archive.find_dataset", lambda asked: {"dataset": asked.subject}, _DATASET),),
    obstacle=_deletable,
    wanted=_deletion,
    keeps=_still_deletable,
)


def by_consumer(facts: Found) -> dict[str, Scalar]:
    """The facts, with each consumer under its own name instead of its place in a list."""
    places = {f"{what} {number}" for number in range(MOST_CONSUMERS) for what in ("consumer", "uses")}
    named = {
        f"consumer {facts[f'consumer {number}']}": facts[f"uses {number}"]
        for number in range(MOST_CONSUMERS)
        if facts.get(f"consumer {number}") is not None
    }
    return {name: value for name, value in facts.items() if name not in places} | named
