"""The development setup: everything on one machine, started, kept alive and stopped as one."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime

from workers.embedded.folder import Folder, only_one
from workers.embedded.plan import WORKER, Options, Plan, plan
from workers.embedded.running import RunningDevelopment, write_running
from workers.embedded.supervisor import USUAL_LIMIT, RestartLimit, Supervisor
from workers.embedded.temporal_server import NAMESPACE

Report = Callable[[str], None]
Compose = Callable[[Options, Folder], Plan]
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def develop(
    options: Options,
    announce: Callable[[RunningDevelopment], None],
    report: Report,
    compose: Compose = plan,
    limit: RestartLimit = USUAL_LIMIT,
) -> None:
    """Runs until a signal asks it to stop, and leaves nothing running.

    Raises FolderInUse, FolderUnusable, WrongOptions, TemporalBinaryMissing, TemporalUnhealthy, ProgramFailed.
    """
    folder = Folder.within(options.parent)
    async with only_one(folder) as lock:
        folder.running.unlink(missing_ok=True)  # of one that was killed
        setup = DevelopmentSetup(compose(options, folder), folder, lock, limit, announce, report)
        await setup.run()


class DevelopmentSetup:
    """One run of `interlock dev`, whose folder is locked."""

    def __init__(
        self,
        planned: Plan,
        folder: Folder,
        lock: int,
        limit: RestartLimit,
        announce: Callable[[RunningDevelopment], None],
        report: Report,
    ) -> None:
        self._plan = planned
        self._folder = folder
        self._announce = announce
        self._report = report
        self._started_at = datetime.now(UTC)
        self._supervisor = Supervisor(folder.logs, report, self._write, limit, inherited=(lock,))

    async def run(self) -> None:
        work = asyncio.create_task(self._start_and_keep_alive())
        self._listen_for_signals(work)
        try:
            await asyncio.wait({work})
            await self._supervisor.stop()
        finally:
            self._folder.running.unlink(missing_ok=True)
        if not work.cancelled():
            work.result()

    def _listen_for_signals(self, work: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's wish is respected
                loop.add_signal_handler(number, self._asked_to_stop, work)

    def _asked_to_stop(self, work: "asyncio.Task[None]") -> None:
        if work.done():
            self._supervisor.hurry()
        elif not work.cancelling():
            self._report("stopping; asked a second time, it kills what is slow to stop")
            work.cancel()

    async def _start_and_keep_alive(self) -> None:
        await self._supervisor.start(self._plan.outside)
        await self._supervisor.start(self._plan.workers)
        self._write()
        self._announce(self._running())
        await self._supervisor.keep_alive()

    def _write(self) -> None:
        write_running(self._folder.running, self._running())

    def _running(self) -> RunningDevelopment:
        planned, processes = self._plan, self._supervisor.running()
        return RunningDevelopment(
            pid=os.getpid(),
            folder=self._folder.path,
            started_at=self._started_at,
            temporal_address=planned.temporal.address,
            namespace=NAMESPACE,
            web_ui=planned.web_ui,
            deployment=self._folder.deployment(),
            mode=planned.mode,
            store_url=self._folder.store_url,
            claude=planned.claude.value,
            simulator_url=planned.simulator_url,
            servers_file=planned.servers_file,
            servers=planned.servers,
            notices_file=planned.notices_file,
            smtp_port=planned.smtp_port,
            worker_pids=tuple(process.pid for process in processes if process.name == WORKER),
            processes=processes,
        )
