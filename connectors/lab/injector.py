"""Makes services fail, and knows when a fault is over: by itself, or by an action."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from connectors.lab.faults import KINDS, FaultKind
from connectors.lab.host import Host
from connectors.lab.record import FaultLog, FaultRecord
from connectors.lab.schedule import Schedule
from connectors.lab.settings import LabSettings

ITSELF = "itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFault:
    """A fault that goes on."""

    kind: FaultKind
    record: FaultRecord


class Injector:
    """At most one fault per service. Times in us since the epoch; the world calls `advance` often."""

    def __init__(self, *, settings: LabSettings, hosts: dict[str, Host], log_path: Path, started_us: int) -> None:
        self._settings = settings
        self._hosts = hosts
        self._log = FaultLog(log_path)
        self._started_us = started_us
        self._schedule = Schedule(settings)
        self._open: dict[str, OpenFault] = {}
        self._rest_until_us: dict[str, int] = {}
        self._count = 0

    def fault_of(self, entity: str) -> FaultKind | None:
        """Return the kind of the fault that the service has now, if any."""
        fault = self._open.get(entity)
        return None if fault is None else fault.kind

    def advance(self, now_us: int) -> list[str]:
        """Begin the fault that is due, and return the services whose faults are due to end by themselves."""
        due = self._schedule.due(
            now_us=now_us - self._started_us, healthy=self._healthy(now_us), faulty=len(self._open)
        )
        if due is not None:
            self.begin(kind=KINDS[due[0]], entity=due[1], now_us=now_us)
        until_us = now_us - self._settings.fault_us
        return [entity for entity, fault in self._open.items() if fault.record.start_us <= until_us]

    def begin(self, *, kind: FaultKind, entity: str, now_us: int) -> None:
        """Make the service fail."""
        if entity in self._open:
            raise ValueError(f"expected a service without a fault, got {entity}")
        self._count += 1
        record = FaultRecord(
            fault=f"fault-{self._count:03d}", kind=kind.name, service=entity, best=kind.best, start_us=now_us
        )
        self._open[entity] = OpenFault(kind=kind, record=record)
        self._log.write(record)
        self.impose(entity)

    def impose(self, entity: str) -> None:
        """Bring the open fault of a service to bear (again, after a restart that does not cure it)."""
        fault, host = self._open.get(entity), self._hosts[entity]
        if fault is None:
            return
        if fault.kind.order is not None:
            host.order(fault.kind.order)
        elif fault.kind.name == "overload":
            host.load.rate_hz = self._settings.requests_per_s * self._settings.overload_factor
        else:
            host.start_task()

    def end(self, entity: str, *, by: str, now_us: int) -> None:
        """Note that the fault of a service is over."""
        fault = self._open.pop(entity, None)
        if fault is None:
            return
        self._log.write(msgspec.structs.replace(fault.record, end_us=now_us, ended_by=by))
        apart_us = fault.record.start_us + self._settings.apart_us
        self._rest_until_us[entity] = max(now_us + self._settings.rest_us, apart_us)

    def rest(self, entity: str, *, now_us: int) -> None:
        """Keep the service free of new faults for a while."""
        self._rest_until_us[entity] = max(now_us + self._settings.rest_us, self._rest_until_us.get(entity, 0))

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _healthy(self, now_us: int) -> list[str]:
        return [
            entity
            for entity, host in self._hosts.items()
            if entity not in self._open
            and self._rest_until_us.get(entity, 0) <= now_us
            and host.ready()
            and not host.turn.locked()
        ]
