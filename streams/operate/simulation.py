"""The whole loop against the simulated fleet, without Kafka: what it learns, from one seed."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from statistics import fmean

import msgspec

from connectors.lab.record import FaultRecord
from schemas.events import Action, Event, Experience, Outcome, Telemetry
from streams.operate.memory_reader import MemoryReader
from streams.operate.offline import role_factory
from streams.operate.recorded_run import About, refuse_if_there, save_run
from streams.operate.report import Report, build_report
from streams.replay import Driver, DriverSettings
from streams.settings import Settings, load, parse
from streams.worlds.fleet import FleetWorld

QUARTERS = 4
NEVER = 1 << 62
TEMPLATE = "fleet.toml"


class QuarterLine(msgspec.Struct, frozen=True, kw_only=True):
    """One quarter of a run: per arm of the hold-out how many rewards were observed, and their mean."""

    quarter: int
    rewards: dict[str, tuple[int, float]]


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated run came to. The same seed and settings give the same one."""

    seed: int
    report: Report
    quarters: tuple[QuarterLine, ...]


def fleet_loop(config: Path | None) -> Settings:
    """Return the loop of a file, or the one that flyball brings for the fleet; raises `SettingsError`."""
    if config is not None:
        return load(config)
    return parse(resources.files("streams.templates").joinpath(TEMPLATE).read_text(encoding="utf-8"), name=TEMPLATE)


def simulate_fleet(
    settings: Settings,
    *,
    seed: int,
    telemetry_events: int,
    broker: str = "none: in-memory log",
    on_progress: Callable[[int], None],
    save: Path | None = None,
) -> Simulation:
    """Run a loop against the fleet of its settings until that has sent so many samples, and sum up.

    `on_progress` is told the number of samples as they come; `save` is a new folder to keep the run in. Raises
    `SettingsError` where that is there already.
    """
    if save is not None:
        refuse_if_there(save)
    driver_settings = DriverSettings(
        loop=settings.loop.name,
        seed=seed,
        tick_us=settings.fleet.period_us,
        partitions=settings.telemetry.partitions,
        executors=1,
        settings_hash=settings.settings_hash,
        steps_per_snapshot=NEVER,
    )
    fleet = FleetWorld(settings.fleet, seed=seed, start_us=driver_settings.start_us)
    driver = Driver(
        settings=driver_settings,
        make_role=role_factory(settings),
        world=_Watched(fleet, on_progress),
    )
    driver.run(telemetry_events=telemetry_events)
    reader = MemoryReader(driver.log)
    if save is not None:
        save_run(reader, save, About(loop=settings.loop.name))
    seconds = (driver.clock.true_us - driver_settings.start_us) / 1e6
    report = build_report(reader, broker=broker, seconds=seconds, faults=list(_faults(fleet)), settings=settings)
    report.latency_ms_p50 = report.latency_ms_p99 = None  # a simulated clock stands still within a turn
    return Simulation(seed=seed, report=report, quarters=_quarters(event for _, event in reader.events("experience")))


class _Watched:
    """A world that tells how far it is."""

    def __init__(self, fleet: FleetWorld, on_progress: Callable[[int], None]) -> None:
        self._fleet = fleet
        self._on_progress = on_progress
        self._samples = 0

    def next_time(self) -> int:
        return self._fleet.next_time()

    def telemetry(self, now_us: int) -> list[Telemetry]:
        samples = self._fleet.telemetry(now_us)
        self._samples += len(samples)
        self._on_progress(self._samples)
        return samples

    def act(self, action: Action, now_us: int) -> None:
        self._fleet.act(action, now_us)

    def outcomes(self, now_us: int) -> list[Outcome]:
        return self._fleet.outcomes(now_us)


def _faults(fleet: FleetWorld) -> Iterator[FaultRecord]:
    """Return the truth about a run, for scoring only."""
    for number, fault in enumerate(fleet.faults):
        yield FaultRecord(
            fault=str(number),
            kind=f"kind {fault.kind}",
            service=fault.entity,
            best=fleet.remedies.best(fault.kind, fault.start_us),
            start_us=fault.start_us,
            end_us=fault.end_us,
            ended_by=fault.remedy or "itself",
        )


def _quarters(events: Iterator[Event]) -> tuple[QuarterLine, ...]:
    """Cut the decisions into quarters by their time; a corrected experience counts as last written."""
    last = {event.proposal: event for event in events if isinstance(event, Experience) and event.is_outcome}
    decided = [event for event in last.values() if event.reward is not None]
    if not decided:
        return ()
    start_us = min(event.decided_us for event in decided)
    span_us = max(event.decided_us for event in decided) - start_us + 1
    rewards: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(QUARTERS)]
    for event in decided:
        rewards[QUARTERS * (event.decided_us - start_us) // span_us][event.arm].append(event.reward or 0.0)
    return tuple(
        QuarterLine(quarter=number, rewards={arm: (len(values), fmean(values)) for arm, values in sorted(of.items())})
        for number, of in enumerate(rewards, start=1)
    )
