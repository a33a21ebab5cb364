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
    role, width = _role(window_s), window_s or 1
    warm_ticks = WARM_WINDOWS * width if entities <= PARTITION_ENTITIES[1] else 2 * width
    ticks = warm_ticks + max(EVENTS // entities, width)
    batches = _batches(entities, ticks, 4)
    spent = seen = 0.0
    for number, batch in enumerate(batches):
        now = Now(START_US + ticks * SECOND_US + number, START_US)
        began = time.process_time()
        take_step(role, [batch], now, loop="bench")
        if batch.start >= warm_ticks * entities:
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


def _batches(entities: int, ticks: int, metrics: int) -> Iterator[RawBatch]:
    """Yield the JSON telemetry of one partition in steps; what does not fill a step is left out."""
    load = Load(partition=0, entities=entities, metrics=metrics, start_us=START_US)
    messages, offset = load.json(ticks), 0
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
