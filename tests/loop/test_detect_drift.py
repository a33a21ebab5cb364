"""What detect tells of a partition as a whole: levels that change for good, and nothing while they do not."""

import numpy as np
import numpy.typing as npt
import pytest

from schemas.events import Drift, Event
from streams.loop.detect import Detect, DetectSettings
from streams.loop.detect.drift import DriftWatches
from streams.loop.detect.episodes import Draft
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch

SECOND = 1_000_000
ENTITIES = 12
BLOCK_S = 5
WITHIN_BLOCKS = 60
"""A shift of a third of a deviation of every entity is told within so many counts (here of five windows each)."""


def run(levels: npt.NDArray[np.float64], *, restart_every: int = 0) -> list[Event]:
    """Return what detect tells of entities with noise of sd 1 around levels, shape (seconds, metrics)."""
    rng = np.random.default_rng(1)
    detect = make()
    events: list[Event] = []
    for start in range(0, len(levels), BLOCK_S):
        block = levels[start : start + BLOCK_S]
        time_s = np.repeat(np.arange(start, start + len(block)), ENTITIES)
        batch = TelemetryBatch(
            topic="telemetry", partition=3, offsets=np.arange(len(time_s)) + start * ENTITIES,
            entities=[f"pump-{number}" for number in range(ENTITIES)] * len(block), time_us=time_s * SECOND,
            metrics=("cpu", "disk"), values=rng.normal(0, 1, (len(time_s), 2)) + np.repeat(block, ENTITIES, axis=0),
            tokens={}, groups={},
        )  # fmt: skip
        now = Now((start + BLOCK_S) * SECOND, 0)
        events += detect.on_batch([batch], now)
        events += detect.on_time(now)
        if restart_every and start % restart_every == 0:
            snapshot = detect.snapshot()
            detect = make()
            detect.restore(snapshot)
    return events


def make() -> Detect:
    return Detect(DetectSettings(), loop="loop", partition=3, seed=1)


def drifts(events: list[Event]) -> list[Drift]:
    return [event for event in events if isinstance(event, Drift)]


def test_a_level_that_changes_for_all_is_told_once_per_metric() -> None:
    levels = np.full((2_000, 2), 20.0)
    levels[1_000:, 1] += 0.33
    found = [event for event in drifts(run(levels)) if event.subject != "scores"]
    assert [(event.subject, event.partition) for event in found] == [("inputs/disk", 3)]
    assert found[0].before == pytest.approx(20, abs=0.1)
    assert found[0].after == pytest.approx(20.33, abs=0.2)
    assert found[0].time_us <= (1_000 + WITHIN_BLOCKS * BLOCK_S) * SECOND


def test_what_stays_as_it_is_never_drifts() -> None:
    assert drifts(run(np.full((6_000, 2), 20.0))) == []


def test_a_restart_changes_nothing() -> None:
    levels = np.full((900, 2), 20.0)
    levels[600:] += 1.0
    expected = run(levels)
    assert drifts(expected)
    assert run(levels, restart_every=50) == expected


def test_a_metric_in_the_column_of_another_has_not_drifted_from_that() -> None:
    rng = np.random.default_rng(2)
    watches = DriftWatches(partition=3)
    told: list[Draft] = []
    for metric, level in (("load", 20.0), ("", np.nan), ("flow", 900.0)):
        watches.grow([metric])
        for block in range(200):
            values, calm = level + rng.normal(size=(5, 1)), np.ones(5, bool)
            watches.note(values, np.zeros(5), calm=calm, warm=calm)
            told += watches.close_block(block)
    assert told == []
