"""`interlock dev` as tests start it: a process in a folder of its own, and commands that are called there."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.processes import INTERLOCK, Said, output_of, said_by, until, usual_ports_taken, with_our_packages
from workers.embedded.running import RunningDevelopment, read_running


@dataclass
class Dev:
    """One folder, and the `interlock dev` that runs in it."""

    folder: Path
    mode: str = "development"
    variables: Mapping[str, str] = field(default_factory=dict)
    """What its people have in their environment beside ours."""
    everywhere: Mapping[str, str] = field(default_factory=dict)
    """What its own processes have in it as well."""
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> RunningDevelopment:
        """What it says of itself once everything runs."""
        with (self.folder / "output").open("ab") as output, usual_ports_taken():
            process = await asyncio.create_subprocess_exec(
                *INTERLOCK,
                "dev",
                "--mode",
                self.mode,
                env={**with_our_packages(), **self.everywhere},
                cwd=self.folder,
                stdout=output,
                stderr=output,
            )
            self.started.append(process)
            await until(lambda: self._runs(process), "interlock dev runs")
        return self.facts()

    def facts(self) -> RunningDevelopment:
        """What it says of itself; it must be running."""
        running = self.running()
        assert running is not None
        return running

    def running(self) -> RunningDevelopment | None:
        return read_running(self.folder / ".interlock" / "dev.json")

    async def interlock(self, *arguments: str) -> str:
        """What a command prints that is called in this folder."""
        return await output_of(*INTERLOCK, *arguments, environment=self.environment(), folder=self.folder)

    async def answer_to(self, *arguments: str) -> Said:
        """How such a command ends, well or not."""
        return await said_by(*INTERLOCK, *arguments, environment=self.environment(), folder=self.folder)

    def environment(self) -> Mapping[str, str]:
        """What every command of its people is started with."""
        return {**with_our_packages(), **self.everywhere, **self.variables}

    async def end(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _runs(self, process: asyncio.subprocess.Process) -> bool:
        assert process.returncode is None, (self.folder / "output").read_text()
        running = self.running()
        return running is not None and running.pid == process.pid
