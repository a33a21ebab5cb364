"""A simulated worker under a clock that is not the log's."""

import pytest

from schemas.raw import Message
from streams.replay import MemoryLog
from streams.replay.clock import SimulatedClock
from streams.replay.reading import read_events
from streams.replay.worker import Worker, WorkerPlace
from tests.simulation.loop import LOOP, role_factory

START_US = 1_000_000_000
SAMPLE = Message(topic="telemetry", key=b"a", value=b'{"entity":"a","time":1,"values":{"cpu":1}}')


@pytest.mark.parametrize(("error_s", "end", "steps"), [(8, "stopped", 0), (-8, "stopped", 0), (4, "idle", 1)])
def test_a_worker_takes_no_step_under_a_clock_far_from_the_logs(error_s: int, end: str, steps: int) -> None:
    clock, log = SimulatedClock(start_us=START_US), MemoryLog()
    clock.error_us = error_s * 1_000_000
    log.now_us = START_US
    log.append(SAMPLE)
    place = WorkerPlace(loop=LOOP, role="detect", partition=0, make_role=role_factory(seed=1))
    worker = Worker(place=place, log=log, clock=clock, instance="first")
    assert next(point for point in worker.life() if point in ("idle", "stopped")) == end
    assert len(list(read_events(log, "journal-detect", 0, 0))) == steps
