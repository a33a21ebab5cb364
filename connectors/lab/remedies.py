"""The actions that the lab offers, done for real to a host."""

import asyncio
from collections.abc import Awaitable, Callable

from connectors.lab.clock import now_us
from connectors.lab.faults import ACTIONS, END_TASK, RECYCLE_CACHE, REOPEN, RESTART, SHED_LOAD
from connectors.lab.host import Host
from connectors.lab.injector import ITSELF, Injector
from connectors.lab.settings import LabSettings

_SETTLE_S = 0.1


class Remedies:
    """Does actions. Each returns whether it worked, and what was done; a cured fault ends in the injector's log."""

    def __init__(self, *, settings: LabSettings, injector: Injector) -> None:
        self._settings = settings
        self._injector = injector
        self._shedding: dict[str, asyncio.TimerHandle] = {}
        self._methods: dict[str, Callable[[Host], Awaitable[tuple[bool, str]]]] = {
            RESTART: self._restart,
            RECYCLE_CACHE: self._recycle_cache,
            REOPEN: self._reopen,
            END_TASK: self._end_task,
            SHED_LOAD: self._shed_load,
        }
        if set(self._methods) != set(ACTIONS):
            raise RuntimeError(f"expected a method for each of {ACTIONS}, got {tuple(self._methods)}")

    async def act(self, action: str, host: Host) -> tuple[bool, str]:
        """Do an action to a host; raises `KeyError` for an action that the lab does not offer."""
        method = self._methods[action]
        async with host.turn:
            kind = self._injector.fault_of(host.entity)
            worked, detail = await method(host)
            self._injector.rest(host.entity, now_us=now_us())
            if worked and kind is not None and kind.cured_by(action):
                self._injector.end(host.entity, by=action, now_us=now_us())
                host.load.rate_hz = self._settings.requests_per_s  # a rush that was turned away does not come back
        return worked, detail

    async def heal(self, host: Host) -> None:
        """End the fault of a host because its time is over."""
        async with host.turn:
            kind = self._injector.fault_of(host.entity)
            if kind is None:
                return
            self._injector.end(host.entity, by=ITSELF, now_us=now_us())
            host.order("heal")
            host.end_task()
            host.load.rate_hz = self._settings.requests_per_s
            if not host.ready():
                await host.restart(boot_us=0)

    async def _restart(self, host: Host) -> tuple[bool, str]:
        kind = self._injector.fault_of(host.entity)
        cold = kind is not None and kind.cold_restart
        up = await host.restart(boot_us=self._settings.cold_boot_us if cold else self._settings.boot_us)
        if kind is not None and not kind.restart_cures:
            self._injector.impose(host.entity)
        return up, "restarted, cold" if cold else "restarted"

    async def _recycle_cache(self, host: Host) -> tuple[bool, str]:
        return await self._order(host, "recycle_cache")

    async def _reopen(self, host: Host) -> tuple[bool, str]:
        return await self._order(host, "reopen")

    async def _order(self, host: Host, order: str) -> tuple[bool, str]:
        if not host.ready():
            return False, "the service is not up"
        host.order(order)
        await asyncio.sleep(_SETTLE_S)
        return True, "the service was told"

    async def _end_task(self, host: Host) -> tuple[bool, str]:
        return True, "ended the task" if host.end_task() else "no task was running"

    async def _shed_load(self, host: Host) -> tuple[bool, str]:
        running = self._shedding.pop(host.entity, None)
        if running is not None:
            running.cancel()
        host.load.shed_above_hz = self._settings.requests_per_s
        loop = asyncio.get_running_loop()
        self._shedding[host.entity] = loop.call_later(self._settings.shed_us / 1e6, self._stop_shedding, host)
        return True, f"turns away what exceeds {self._settings.requests_per_s:g} requests/s"

    def _stop_shedding(self, host: Host) -> None:
        del self._shedding[host.entity]
        host.load.shed_above_hz = None
