"""Real inputs for every law: what each processor was given in a simulated run against a fleet, call by call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np

from schemas.events import NONE, Event, JournalEntry, Measurement, Proposal
from schemas.ids import Cause
from schemas.raw import RawBatch
from schemas.topics import ROLES
from streams.loop.decode import make_decode
from streams.loop.detect import Detect
from streams.loop.policy import Policy, PolicySettings, RenewalSettings
from streams.loop.processor import Input, Now, Processor, Record
from streams.loop.role import Role
from streams.loop.telemetry import TelemetryBatch
from streams.replay import Driver, DriverSettings, FaultPlan
from streams.replay.reading import inputs_of, read_events
from streams.worlds.fleet import FleetWorld
from tests.loop.decided import outcome, verdict
from tests.simulation.loop import ACTIONS, DETECT, FLEET, LOOP, PARTITIONS, SETTINGS_HASH, processors_of

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
    "detect-lives": "detect",
    "policy-lives": "decide",
}
"""Processor to its role; the last two as where whole lives are followed."""
RENEWAL = RenewalSettings(
    action="restart", failed="failed", baseline_age_us=6_000_000, entity_limit=12, silence_us=20_000_000
)
LIVES = PolicySettings(hold_out={"loop": 0.5, "baseline": 0.4, "none": 0.1}, outcome_wait_us=5_000_000, renewal=RENEWAL)


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
    match processor:
        case "detect-lives":
            return Detect(DETECT, loop=LOOP, partition=0, seed=SEED, measures_all=True)
        case "policy-lives":
            return Policy(LIVES, loop=LOOP, seed=SEED, actions=ACTIONS)
        case _:
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
    match processor:
        case "detect-lives":
            return calls_of("detect")
        case "policy-lives":
            return tuple(_lived())
        case _:
            pass
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


def _lived() -> Iterator[Call]:
    """Yield the windows of the recorded run, in some of which an entity fails, and what came of the proposals."""
    detect, policy = fresh("detect-lives"), fresh("policy-lives")
    number = 0
    answers: list[Event] = []
    for call in calls_of("detect"):
        windows = [event for event in give(detect, call) if isinstance(event, Measurement)]
        told = [*answers, *(_with_failures(window) for window in windows)]
        records = tuple(
            Record(Cause(event.TOPIC, 0, number + place), msgspec.structs.replace(event, time_us=call.now.us))
            for place, event in enumerate(told)
        )
        number += len(records)
        answers = []
        if not records:
            continue
        one = Call(call.now, records)
        yield one
        for event in give(policy, one):
            if isinstance(event, Proposal) and event.action != NONE:
                allowed = verdict(event)
                answers += [allowed, outcome(allowed, "succeeded", 0.0, ended_us=call.now.us + 1)]


def _with_failures(window: Measurement) -> Measurement:
    failed = window.abnormal and window.start_us // 1_000_000 % 3 == 0
    return msgspec.structs.replace(window, values=window.values | {"failed": float(failed)})


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
