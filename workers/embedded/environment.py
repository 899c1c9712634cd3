"""What each child finds in its environment: the worker what it needs, the others as little as possible."""

import os
from collections.abc import Mapping
from pathlib import Path

from contracts.deployment import Mode
from workers.embedded.ports import LOCALHOST

REPOSITORY = Path(__file__).resolve().parents[2]
HARMLESS = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"})
NOTICES = "INTERLOCK_NOTICES"
NOT_A_KEY = "not-a-key-the-simulator-asks-for-none"


def for_temporal(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name in HARMLESS}


def for_demo_program(environ: Mapping[str, str]) -> dict[str, str]:
    telemetry = {name: value for name, value in environ.items() if name.startswith("OTEL_")}
    return {**for_temporal(environ), **telemetry, **_python(environ)}


def for_worker(
    environ: Mapping[str, str], *, claude: Mapping[str, str] | None, interlock: Mapping[str, str]
) -> dict[str, str]:
    """The user's environment, because servers take credentials from it by reference.

    With `claude` given, nothing of the user's own Anthropic account gets through: neither key nor address.
    """
    dropped = ("TEMPORAL_", "ANTHROPIC_") if claude is not None else ("TEMPORAL_",)
    own = {
        name: value
        for name, value in environ.items()
        if not name.startswith(dropped) and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**own, **_python(environ), **_directly(environ), **(claude or {}), **interlock}


def simulator_as_claude(url: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": NOT_A_KEY}


def temporal_connection(address: str, namespace: str) -> dict[str, str]:
    """Names the embedded server, and keeps a profile on disk from adding TLS or a key to it."""
    return {
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }


def for_notices(file: Path | None, smtp_port: int | None) -> dict[str, str]:
    """How people are told, and where the demo's mail server listens."""
    named = {NOTICES: file, "INTERLOCK_DEMO_SMTP_PORT": smtp_port}
    return {name: str(value) for name, value in named.items() if value is not None}


def for_authority(mode: Mode, folder: Path) -> dict[str, str]:
    """What counts as signed, and with which key and where the audit chain is attested; `folder` is `.interlock/`."""
    return {
        "INTERLOCK_MODE": mode.value,
        "INTERLOCK_AUDIT_KEY_FILE": str(audit_key(folder)),
        "INTERLOCK_AUDIT_CHECKPOINTS": str(audit_checkpoints(folder)),
    }


def audit_key(folder: Path) -> Path:
    """The key that signs checkpoints of the audit chain."""
    return folder / "audit.key"


def audit_checkpoints(folder: Path) -> Path:
    """Where those checkpoints are appended."""
    return folder / "audit-checkpoints.jsonl"


def _python(environ: Mapping[str, str]) -> dict[str, str]:
    """Our packages are found wherever the user's folder is; lines reach the log as they are written."""
    path = filter(None, (str(REPOSITORY), environ.get("PYTHONPATH")))
    return {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def _directly(environ: Mapping[str, str]) -> dict[str, str]:
    """What runs on this machine is not reached through somebody's proxy."""
    listed = environ.get("NO_PROXY") or environ.get("no_proxy")
    direct = ",".join(filter(None, (listed, LOCALHOST, "localhost")))
    return {"NO_PROXY": direct, "no_proxy": direct}
