"""What detect costs by itself: the role `detect` on the step interface, decoding included, per CPU second."""

import time
from collections.abc import Iterator
from itertools import islice

from schemas import wire
from schemas.raw import Message, RawBatch
from streams.loop.decode import make_decode
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.snapshot import Snapshot, newest_snapshot, snapshot_messages
from streams.loop.step import take_step
from streams.runtime.heap import tune_heap
from tests.bench.detect_load import SECOND_US, Load
from tests.bench.rows import Row

NAME = "detect_speed"
START_US = 1_700_000_000_000_000
PARTITION_ENTITIES = (25, 250, 2_500, 5_000)
"""Of one partition in four: 100 to 20,000 in all."""
STEP_EVENTS = 10_000
WARM_WINDOWS = 12
EVENTS = 100_000
SNAPSHOT_ENTITIES, SNAPSHOT_METRICS, DAY_TICKS = 10_000, 8, 60


def without_kafka() -> Iterator[Row]:
    """Yield the cost per event by window and number of entities, and what a snapshot costs."""
    tune_heap()
    for window_s in (60, 10, 1):
        for entities in PARTITION_ENTITIES:
            yield _speed(entities, window_s)
    yield from _snapshot()


def _speed(entities: int, window_s: int) -> Row:
    """Return events per CPU second of one partition, once its entities are warm."""
    role, ticks = _role(window_s), max(EVENTS // entities, window_s)
    start_us = START_US + WARM_WINDOWS * window_s * SECOND_US
    warm = Load(partition=0, entities=entities, metrics=4, start_us=START_US, tick_us=window_s * SECOND_US)
    offset = 0
    for message in warm.arrow(WARM_WINDOWS, rows=STEP_EVENTS):  # one sample per window is enough to be warm
        take_step(role, [_batch([message], offset)], Now(start_us, START_US), loop="bench")
        offset += 1
    spent = seen = 0.0
    for batch in _batches(entities, ticks, start_us=start_us, offset=offset):
        now = Now(start_us + ticks * SECOND_US, START_US)
        began = time.process_time()
        take_step(role, [batch], now, loop="bench")
        spent += time.process_time() - began
        seen += len(batch)
    case = f"{4 * entities} entities"
    return Row(
        benchmark=NAME,
        case=f"window {window_s} s",
        system=case,
        metric="json_events_per_cpu_s",
        value=seen / spent,
        unit="events/s",
    )


def _snapshot() -> Iterator[Row]:
    """Yield the size of the state and how long a whole snapshot and restore take, records and checks included.

    The entities are a day and more old: every slot of their season is filled, so nothing compresses well.
    """
    role = _role(0)
    load = Load(
        partition=0, entities=SNAPSHOT_ENTITIES, metrics=SNAPSHOT_METRICS, start_us=START_US, tick_us=1_800 * SECOND_US
    )
    for offset, message in enumerate(load.arrow(DAY_TICKS, rows=SNAPSHOT_ENTITIES)):
        take_step(role, [_batch([message], offset)], Now(START_US + offset, START_US), loop="bench")
    began = time.process_time()
    state = role.snapshot()
    messages = snapshot_messages(
        Snapshot(role="detect", partition=0, state=state, step=1, journal_offset=0, time_us=0, slot=0, code="bench"),
        loop="bench",
        next_offsets={},
    )
    written = time.process_time()
    records = [wire.decode("state-detect", message.value, message.headers) for message in messages]
    found = newest_snapshot(records, role="detect", partition=0)
    assert found is not None
    _role(0).restore(found.state)
    restored = time.process_time()
    for metric, value, unit in (
        ("state_per_entity", len(state) / SNAPSHOT_ENTITIES, "bytes"),
        ("snapshot", 1_000 * (written - began), "ms of CPU"),
        ("restore", 1_000 * (restored - written), "ms of CPU"),
    ):
        yield Row(benchmark=NAME, case="8 metrics", system="10000 entities", metric=metric, value=value, unit=unit)


def _role(window_s: int) -> Role:
    settings = DetectSettings(window_us=window_s * SECOND_US)
    detect = Detect(settings, loop="bench", partition=0, seed=1)
    return Role(name="detect", loop="bench", processors=[detect], decode=make_decode())


def _batches(entities: int, ticks: int, *, start_us: int, offset: int) -> Iterator[RawBatch]:
    """Yield the JSON telemetry of one partition in steps, from an offset on; what does not fill a step is left out."""
    messages = Load(partition=0, entities=entities, metrics=4, start_us=start_us).json(ticks)
    while len(part := list(islice(messages, STEP_EVENTS))) == STEP_EVENTS:
        yield _batch(part, offset)
        offset += len(part)


def _batch(messages: list[Message], offset: int) -> RawBatch:
    return RawBatch(
        topic="telemetry",
        partition=0,
        offsets=range(offset, offset + len(messages)),
        keys=[message.key for message in messages],
        values=[message.value for message in messages],
        headers=[message.headers for message in messages],
    )
