"""Real inputs for every law: what each processor was given in a simulated run against a fleet, call by call."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from schemas.events import Event, JournalEntry
from schemas.raw import RawBatch
from schemas.topics import ROLES
from streams.loop.decode import make_decode
from streams.loop.processor import Input, Now, Processor
from streams.loop.role import Role
from streams.loop.telemetry import TelemetryBatch
from streams.replay import Driver, DriverSettings, FaultPlan
from streams.replay.reading import inputs_of, read_events
from streams.worlds.fleet import FleetWorld
from tests.simulation.loop import FLEET, LOOP, PARTITIONS, SETTINGS_HASH, processors_of

SEED = 5
TELEMETRY_EVENTS = 1_500
PROCESSORS = {
    "ingest": "ingest",
    "detect": "detect",
    "recognise": "decide",
    "attribute": "decide",
    "policy": "decide",
    "gate": "gate",
    "account": "improve",
}
"""Processor to its role."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a processor; a call of `on_time` has no inputs."""

    now: Now
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a role."""

    now: Now
    batches: tuple[RawBatch, ...]


class Recorder:
    """A processor that notes what it is given and hands it on."""

    def __init__(self, processor: Processor) -> None:
        self.name = processor.name
        self.calls: list[Call] = []
        self._processor = processor

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        if inputs:
            self.calls.append(Call(now, tuple(inputs)))
        return self._processor.on_batch(inputs, now)

    def on_time(self, now: Now) -> list[Event]:
        self.calls.append(Call(now, ()))
        return self._processor.on_time(now)

    def next_time(self) -> int | None:
        return self._processor.next_time()

    def snapshot(self) -> bytes:
        return self._processor.snapshot()

    def restore(self, snapshot: bytes) -> None:
        self._processor.restore(snapshot)


def fresh(processor: str) -> Processor:
    """Return a processor without state."""
    return next(made for made in processors_of(PROCESSORS[processor], 0, seed=SEED) if made.name == processor)


def fresh_role(role: str) -> Role:
    """Return a role without state."""
    return role_of(role, processors_of(role, 0, seed=SEED))


def role_of(role: str, processors: Sequence[Processor]) -> Role:
    """Return a role of these processors."""
    return Role(name=role, loop=LOOP, processors=processors, decode=make_decode())


@cache
def steps_of(role: str) -> tuple[Step, ...]:
    """Return the steps of a role's first partition in the recorded run."""
    log = _finished().log
    entries = [event for _, event in read_events(log, f"journal-{role}", 0, 0) if isinstance(event, JournalEntry)]
    return tuple(
        Step(Now(entry.time_us, entry.control_heard_us), tuple(inputs_of(entry, log.read_range))) for entry in entries
    )


@cache
def calls_of(processor: str) -> tuple[Call, ...]:
    """Return what a processor was given in the recorded run."""
    name = PROCESSORS[processor]
    recorders = [Recorder(made) for made in processors_of(name, 0, seed=SEED)]
    role = role_of(name, recorders)
    for step in steps_of(name):
        if step.batches:
            role.fold(step.batches, step.now)
        else:
            role.tick(step.now)
    return tuple(next(recorder for recorder in recorders if recorder.name == processor).calls)


def give(processor: Processor, call: Call) -> list[Event]:
    """Make one call."""
    return processor.on_batch(call.inputs, call.now) if call.inputs else processor.on_time(call.now)


def rows_of(batch: TelemetryBatch, start: int, stop: int) -> TelemetryBatch:
    """Return some rows of a batch as a batch of their own, which names only the metrics that occur in it."""
    values = batch.values[start:stop]
    present = np.flatnonzero(~np.isnan(values).all(axis=0))
    return TelemetryBatch(
        topic=batch.topic,
        partition=batch.partition,
        offsets=batch.offsets[start:stop],
        entities=batch.entities[start:stop],
        time_us=batch.time_us[start:stop],
        metrics=tuple(batch.metrics[column] for column in present),
        values=values[:, present],
        tokens={row - start: token for row, token in batch.tokens.items() if start <= row < stop},
        groups={row - start: group for row, group in batch.groups.items() if start <= row < stop},
    )


@cache
def _finished() -> Driver:
    settings = DriverSettings(
        loop=LOOP, seed=SEED, roles=ROLES, partitions=PARTITIONS, settings_hash=SETTINGS_HASH, tick_us=2_000_000
    )
    world = FleetWorld(FLEET, seed=SEED, start_us=settings.start_us)
    driver = Driver(settings=settings, make_role=_make, world=world, plan=FaultPlan(duplicate=0.05))
    driver.run(telemetry_events=TELEMETRY_EVENTS)
    return driver


def _make(role: str, partition: int) -> Role:
    return role_of(role, processors_of(role, partition, seed=SEED))
