"""The environment of one more worker beside a running `interlock dev`."""

import sys
from collections.abc import Mapping

from workers.embedded import environment
from workers.embedded.running import RunningDevelopment


def for_another_worker(running: RunningDevelopment, environ: Mapping[str, str]) -> dict[str, str]:
    """What the worker of `interlock dev` finds in its environment, put together again from `dev.json`."""
    claude = environment.simulator_as_claude(running.simulator_url) if running.simulator_url else None
    demo = {f"INTERLOCK_DEMO_{server.name.upper()}_URL": server.url for server in running.servers}
    interlock = {
        **environment.temporal_connection(running.temporal_address, running.namespace),
        **environment.for_authority(running.mode, running.folder),
        "INTERLOCK_DEPLOYMENT": running.deployment,
        "INTERLOCK_STORE": running.store_url,
        "INTERLOCK_SERVERS": str(running.servers_file),
        "INTERLOCK_DEMO_DATA": str(running.folder / "demo"),
        "INTERLOCK_DATA": str(running.folder),
        "PYTHON": sys.executable,
        **demo,
        **environment.for_notices(running.notices_file, running.smtp_port),
    }
    return environment.for_worker(environ, claude=claude, interlock=interlock)
