"""The name of the code a worker runs, as Temporal records it with every workflow task."""

import hashlib
import sys
from pathlib import Path

from workflows.catalog import OUTSIDE_PREFIX

ROOMS = ("contracts", "policies", "activities", "workflows", OUTSIDE_PREFIX)
"""What decides how a run goes on."""


def build_id() -> str:
    """SHA-256 over the sources of these rooms as far as they are loaded; the same for the same code.

    The SDK would hash every module of every library, which takes most of a worker's start.
    """
    files = {
        name: module.__file__
        for name, module in sys.modules.items()
        if name.startswith(ROOMS) and getattr(module, "__file__", None)
    }
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(Path(str(file)).read_bytes()).digest())
    return f"interlock-{digest.hexdigest()[:16]}"
