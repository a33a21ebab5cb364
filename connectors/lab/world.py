"""The lab itself: services, load, faults, actions and telemetry in one asyncio program."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import IO

from connectors.lab.clock import now_us
from connectors.lab.control import ControlEndpoint
from connectors.lab.faults import KINDS
from connectors.lab.host import Host
from connectors.lab.injector import Injector
from connectors.lab.remedies import Remedies
from connectors.lab.settings import LabSettings
from schemas.events import Telemetry
from schemas.ids import seed_of

GROUP = "lab"
_TICK_S = 0.05
_START_S = 10.0

Publish = Callable[[list[Telemetry]], None]


class LabWorld:
    """Runs until told to stop. `publish` gets one sample per service and period; `log_path` takes the faults."""

    def __init__(self, settings: LabSettings, publish: Publish, log_path: Path) -> None:
        self._settings = settings
        self._publish = publish
        self._log_path = log_path
        self._hosts: dict[str, Host] = {}
        self._injector: Injector | None = None
        self._remedies: Remedies | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._healing: set[asyncio.Task[None]] = set()

    @property
    def control_file(self) -> Path:
        """Return the file that says how to ask for actions."""
        return control_file(self._settings)

    def pids(self) -> dict[str, tuple[int, ...]]:
        """Return the processes of each service that run now."""
        return {entity: host.pids() for entity, host in self._hosts.items()}

    async def wait_ready(self) -> None:
        """Wait until all services answer and actions are taken."""
        await self._ready.wait()

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()

    def fail(self, entity: str, *, kind: str) -> None:
        """Make a service fail now; raises `ValueError` when it has a fault, or the world does not run."""
        if self._injector is None:
            raise ValueError("expected a world that runs: await wait_ready() first")
        self._injector.begin(kind=KINDS[kind], entity=entity, now_us=now_us())

    async def act(self, action: str, entity: str) -> tuple[bool, str]:
        """Do an action and wait for its end; returns whether it worked, and what was done.

        Raises `KeyError` for an action or a service that the lab does not have.
        """
        if self._remedies is None:
            return False, "the lab does not run"
        return await self._remedies.act(action, self._hosts[entity])

    async def run(self, *, seconds: float | None = None) -> None:
        """Run for so long (None: until `stop`), then end every process that was started."""
        with _errors_file(self._settings) as errors:
            try:
                for entity in self._settings.entities():
                    seed = seed_of("lab", self._settings.seed, entity)
                    self._hosts[entity] = Host(entity=entity, seed=seed, settings=self._settings, errors=errors)
                await self._run(seconds)
            finally:
                for host in self._hosts.values():
                    host.stop()

    async def _run(self, seconds: float | None) -> None:
        await self._started()
        injector = Injector(settings=self._settings, hosts=self._hosts, log_path=self._log_path, started_us=now_us())
        remedies = Remedies(settings=self._settings, injector=injector)
        self._injector, self._remedies = injector, remedies
        endpoint = ControlEndpoint(act=self.act, file=self.control_file)
        await endpoint.start()
        self._ready.set()
        work = [
            asyncio.create_task(self._sample()),
            asyncio.create_task(self._inject(injector, remedies)),
            *(asyncio.create_task(host.load.run()) for host in self._hosts.values()),
        ]
        try:
            await self._until_done(work, seconds)
        finally:
            endpoint.stop()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            injector.close()

    async def _started(self) -> None:
        async with asyncio.timeout(_START_S):
            while not all(host.ready() for host in self._hosts.values()):  # noqa: ASYNC110  # see Host.restart
                await asyncio.sleep(_TICK_S)

    async def _until_done(self, work: list[asyncio.Task[None]], seconds: float | None) -> None:
        """Wait for the stop, the time, or the first failure of a part, which is raised."""
        stop = asyncio.create_task(self._stop_requested())
        done, _ = await asyncio.wait((stop, *work), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in done:
            task.result()

    async def _stop_requested(self) -> None:
        await self._stopping.wait()

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        period_s = self._settings.sample_us / 1e6
        last_s = loop.time()
        due_s = last_s + period_s
        first = True
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            elapsed_s, last_s = loop.time() - last_s, loop.time()
            samples = self._take(elapsed_s)
            if not first:  # the first holds the start of the processes
                self._publish(samples)
            first = False
            due_s = max(due_s + period_s, last_s)

    def _take(self, elapsed_s: float) -> list[Telemetry]:
        time_us = now_us()
        return [
            Telemetry(
                entity=entity, time=time_us, values=host.measure(elapsed_s=elapsed_s), attributes={"group": GROUP}
            )
            for entity, host in self._hosts.items()
        ]

    async def _inject(self, injector: Injector, remedies: Remedies) -> None:
        while True:
            for entity in injector.advance(now_us()):
                if not self._hosts[entity].turn.locked():
                    task = asyncio.create_task(remedies.heal(self._hosts[entity]))
                    self._healing.add(task)
                    task.add_done_callback(self._healing.discard)
            await asyncio.sleep(_TICK_S)


def control_file(settings: LabSettings) -> Path:
    """Return where a lab with these settings says how to ask it for actions."""
    return Path(settings.folder) / "control.json"


def _errors_file(settings: LabSettings) -> IO[bytes]:
    folder = Path(settings.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "services.log").open("ab")
