"""`interlock worker`: poll the task queue until told to stop."""

import asyncio
import logging
import os
import signal
from pathlib import Path

import structlog
from structlog.types import Processor

from cli.connection import DEV_FILE, Target, connect, find_development, find_server
from contracts.runs import TASK_QUEUE
from workers import event_loop
from workers.assembly import running_worker
from workers.embedded.another_worker import for_another_worker
from workers.settings import Settings
from workers.telemetry import stop_tracing


def worker() -> int:
    """Run a worker. Settings are environment variables, INTERLOCK_* and TEMPORAL_*; SIGTERM stops it in order.

    Beside a running `interlock dev`, and with no Temporal server named, it joins that one.
    """
    target = find_server()
    if target.said_by.endswith(DEV_FILE.name):
        running, _ = find_development(Path.cwd())
        os.environ.update(for_another_worker(running, os.environ))
    event_loop.run(_work(Settings.read(), find_server()))
    return 0


async def _work(settings: Settings, target: Target) -> None:
    _log_as_json()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    client = await connect(target, service="interlock-worker")
    log = structlog.get_logger("worker")
    async with running_worker(settings, client):
        log.info("worker_started", task_queue=TASK_QUEUE, mode=settings.mode.value, deployment=settings.deployment)
        print("ready", flush=True)  # noqa: T201 - `interlock dev` waits for this line
        await stopped.wait()
        log.info("worker_stopping")
    stop_tracing()


def _log_as_json() -> None:
    """One JSON object a line, on stderr: event names and fields."""
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "mcp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
