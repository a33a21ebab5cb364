"""A service with its tasks and its load: what faults and actions are done to, and what is measured."""

import asyncio
from pathlib import Path
from typing import IO

from connectors.lab.child import Child
from connectors.lab.load import Load
from connectors.lab.settings import LabSettings

_POLL_S = 0.05
_BOOT_MARGIN_S = 10.0


class Host:
    """One entity of the lab. Actions on it wait for each other."""

    def __init__(self, *, entity: str, seed: int, settings: LabSettings, errors: IO[bytes]) -> None:
        self.entity = entity
        self.turn = asyncio.Lock()
        self._settings = settings
        self._seed = seed
        self._errors = errors
        self._folder = Path(settings.folder).resolve() / entity
        self._service = self._start_service(boot_us=0)
        self._task: Child | None = None
        self._cpu_s: dict[int, float] = {}
        self.load = Load(
            address=self._address,
            rate_hz=settings.requests_per_s,
            timeout_s=settings.request_timeout_us / 1e6,
            good_s=settings.good_us / 1e6,
            seed=seed,
        )

    def pids(self) -> tuple[int, ...]:
        """Return the processes of this host that run."""
        return tuple(child.pid for child in self._children() if child.alive())

    def ready(self) -> bool:
        """Return whether the service listens."""
        return self._address() is not None

    def order(self, order: str) -> None:
        """Tell the service something."""
        self._service.order(order)

    async def restart(self, *, boot_us: int) -> bool:
        """Kill the service, start it again, and return whether it came up."""
        self._service.stop()
        self._service = self._start_service(boot_us=boot_us)
        async with asyncio.timeout(boot_us / 1e6 + _BOOT_MARGIN_S):
            while self._service.alive() and not self.ready():  # noqa: ASYNC110  # a process sets no event
                await asyncio.sleep(_POLL_S)
        return self.ready()

    def start_task(self) -> None:
        """Start a task beside the service, if there is none."""
        if self._task is not None:
            return
        self._task = Child(module="connectors.lab.task", arguments=(str(self._folder / "lock"),), errors=self._errors)

    def end_task(self) -> bool:
        """End the task; return whether there was one."""
        task, self._task = self._task, None
        if task is not None:
            task.stop()
        return task is not None

    def stop(self) -> None:
        """Stop all processes of this host."""
        self.end_task()
        self._service.stop()

    def measure(self, *, elapsed_s: float) -> dict[str, float]:
        """Return the metrics since the last call, which was `elapsed_s` ago. No request ended: no latency."""
        usages = {child.pid: child.usage() for child in self._children()}
        used_s = sum(cpu_s - self._cpu_s.get(pid, 0.0) for pid, (cpu_s, _, _) in usages.items() if cpu_s > 0)
        self._cpu_s = {pid: cpu_s for pid, (cpu_s, _, _) in usages.items()}
        values = {
            "cpu_percent": 100 * used_s / elapsed_s,
            "memory_mb": sum(memory for _, memory, _ in usages.values()),
            "open_files": float(sum(files for _, _, files in usages.values())),
            "task_count": float(len(self.pids())),
        }
        return {**values, **self._measure_load(elapsed_s)}

    def _measure_load(self, elapsed_s: float) -> dict[str, float]:
        tally = self.load.take_tally()
        # Little's law: the mean number of requests in flight is their arrival rate times their mean latency
        values = {"throughput": tally.answered / elapsed_s, "queue": tally.latency_s / elapsed_s}
        if tally.requests:
            values["latency_ms"] = 1e3 * tally.latency_s / tally.requests
            values["error_rate"] = tally.failed / tally.requests
            values["availability"] = tally.good / tally.requests
        if tally.disk_writes:
            values["disk_ms"] = 1e3 * tally.disk_s / tally.disk_writes
        return values

    def _children(self) -> tuple[Child, ...]:
        return (self._service,) if self._task is None else (self._service, self._task)

    def _address(self) -> int | None:
        return self._service.port()

    def _start_service(self, *, boot_us: int) -> Child:
        return Child(
            module="connectors.lab.service",
            arguments=(str(self._folder), str(self._seed), str(boot_us / 1e6)),
            errors=self._errors,
        )
