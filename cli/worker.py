"""`interlock worker`: poll the task queue until told to stop."""

import asyncio
import logging
import signal

import structlog
from structlog.types import Processor
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from contracts.runs import TASK_QUEUE
from contracts.wire import DATA_CONVERTER
from workers.assembly import running_worker
from workers.settings import Settings
from workers.telemetry import start_tracing, stop_tracing


def worker() -> int:
    """Run a worker. Settings are environment variables, INTERLOCK_* and TEMPORAL_*; SIGTERM stops it in order."""
    asyncio.run(_work(Settings.read()))
    return 0


async def _work(settings: Settings) -> None:
    _log_as_json()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    connection = ClientConfig.load_client_connect_config()
    connection.setdefault("target_host", "localhost:7233")
    client = await Client.connect(
        **connection, data_converter=DATA_CONVERTER, plugins=[start_tracing("interlock-worker")]
    )
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
