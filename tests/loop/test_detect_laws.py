"""Detect under the laws of a processor: splits, duplicates, restore, bounds."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecoveryError
from schemas.events import Episode, Measurement
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.laws.recorded import rows_of

SECOND = 1_000_000
NOW = Now(1_000 * SECOND, 1_000 * SECOND)
CASES = {
    "windows": DetectSettings(window_us=SECOND, warmup_windows=3, forest_windows=40),
    "late windows": DetectSettings(window_us=SECOND, lateness_us=2 * SECOND, warmup_windows=3, forest_windows=40),
    "one-sample": DetectSettings(window_us=0, warmup_windows=3, forest_windows=40),
    "one-sample, late": DetectSettings(window_us=0, lateness_us=SECOND, warmup_windows=3, forest_windows=40),
    "crowded": DetectSettings(
        window_us=4 * SECOND, warmup_windows=3, entity_limit=4, metric_limit=2, window_rows_limit=3, forest_windows=40
    ),
}


def make(case: DetectSettings) -> Detect:
    return Detect(case, loop="loop", partition=0, seed=1)


def messy(seed: int, rows: int = 600) -> TelemetryBatch:
    """Rows out of order, twice, with holes, tokens, changing groups, steps and spikes; metrics that come up late."""
    rng = np.random.default_rng(seed)
    entities = [f"entity-{k}" for k in rng.integers(0, 6, rows)]
    times = np.arange(rows) * SECOND // 10 + rng.integers(-10, 10, rows) * SECOND // 5
    values = rng.normal(10, 1, (rows, 3))
    values[rng.random((rows, 3)) < 0.1] = np.nan
    values[: rows // 3, 0] = np.nan
    values[rows // 2 : rows // 2 + 120, 1:] += 30
    again = rng.integers(1, rows, rows // 10)
    for row in again.tolist():
        entities[row], times[row] = entities[row - 1], times[row - 1]
    return TelemetryBatch(
        topic="telemetry",
        partition=0,
        offsets=np.arange(rows),
        entities=entities,
        time_us=times + 900 * SECOND,
        metrics=("a", "b", "c"),
        values=values,
        tokens={int(row): f"token-{row % 3}" for row in rng.integers(0, rows, 40)},
        groups={int(row): f"group-{row % 3}" for row in rng.integers(0, rows, 60)},
    )


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(1, 599), max_size=12))
def test_any_split_of_a_batch_gives_equal_events_and_equal_state(case, seed, cuts):
    batch = messy(seed)
    whole, split = make(CASES[case]), make(CASES[case])
    expected = whole.on_batch([batch], NOW)
    edges = [0, *sorted(set(cuts)), len(batch)]
    events = []
    for start, stop in pairwise(edges):
        events += split.on_batch([rows_of(batch, start, stop)], NOW)
    assert events == expected
    assert split.snapshot() == whole.snapshot()
    later = Now(NOW.us + 100 * SECOND, NOW.us)
    assert split.on_time(later) == whole.on_time(later)
    assert split.snapshot() == whole.snapshot()


@pytest.mark.parametrize("case", CASES)
def test_one_row_at_a_time_is_no_different(case):
    batch = messy(7)
    whole, split = make(CASES[case]), make(CASES[case])
    expected = whole.on_batch([batch], NOW)
    assert [e for row in range(len(batch)) for e in split.on_batch([rows_of(batch, row, row + 1)], NOW)] == expected
    assert split.snapshot() == whole.snapshot()
    assert {type(event) for event in expected} >= {Episode, Measurement}, "the case must make detect say something"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("row", [0, 1, 150, 333, 420])
def test_a_restored_processor_continues_alike(case, row):
    batch = messy(3)
    whole = make(CASES[case])
    whole.on_batch([rows_of(batch, 0, row)] if row else [], NOW)
    other = make(CASES[case])
    other.restore(whole.snapshot())
    assert other.snapshot() == whole.snapshot()
    assert other.next_time() == whole.next_time()
    rest = rows_of(batch, row, len(batch))
    assert other.on_batch([rest], NOW) == whole.on_batch([rest], NOW)
    later = Now(NOW.us + 100 * SECOND, NOW.us)
    assert other.on_time(later) == whole.on_time(later)
    assert other.snapshot() == whole.snapshot()


def test_a_snapshot_of_another_version_is_refused():
    state = msgspec.msgpack.decode(make(CASES["windows"]).snapshot()) | {"version": 99}
    with pytest.raises(RecoveryError, match="version 7, got 99"):
        make(CASES["windows"]).restore(msgspec.msgpack.encode(state))


@pytest.mark.parametrize("case", ["windows", "one-sample", "late windows"])
def test_rows_delivered_twice_change_no_event(case):
    batch = messy(5)
    once, twice = make(CASES[case]), make(CASES[case])
    expected = once.on_batch([batch], NOW)
    events = []
    for start in range(0, len(batch), 20):
        events += twice.on_batch([rows_of(batch, start, start + 20)], NOW)
        events += twice.on_batch([rows_of(batch, start, start + 20)], NOW)
    assert events == expected
    left_out = twice.counts["late"] + twice.counts["duplicates"] - once.counts["late"] - once.counts["duplicates"]
    assert left_out == len(batch)


def test_inputs_are_untouched():
    batch, copy = messy(2), messy(2)
    make(CASES["windows"]).on_batch([batch], NOW)
    assert np.array_equal(batch.values, copy.values, equal_nan=True)
    assert np.array_equal(batch.time_us, copy.time_us)
    assert batch.entities == copy.entities


def test_state_stays_within_its_limits_whatever_comes():
    detect = make(DetectSettings(window_us=SECOND, entity_limit=200, metric_limit=8, window_rows_limit=4))
    rows = 10_000
    sizes = []
    for step in range(4):
        detect.on_batch(
            [
                TelemetryBatch(
                    topic="telemetry",
                    partition=0,
                    offsets=np.arange(rows),
                    entities=[f"entity-{step}-{row}" for row in range(rows)],
                    time_us=np.full(rows, (900 + step) * SECOND),
                    metrics=tuple(f"metric-{step}-{k}" for k in range(20)),
                    values=np.ones((rows, 20)),
                )
            ],
            NOW,
        )
        sizes.append(len(detect.snapshot()))
    assert sizes[-1] == sizes[0]
    assert detect.counts["entity_limit"] == 4 * rows - 200
    assert detect.counts["metric_limit"] == 200 * 12


def test_a_gone_entity_makes_room_for_a_new_one():
    detect = make(DetectSettings(window_us=0, entity_limit=1, warmup_windows=2))
    batch = messy(1)
    detect.on_batch([rows_of(batch, 0, 1)], NOW)
    other = next(row for row, name in enumerate(batch.entities) if name != batch.entities[0])
    detect.on_batch([rows_of(batch, other, other + 1)], NOW)
    assert detect.counts["entity_limit"] == 1
    later = Now(NOW.us + 100 * SECOND, NOW.us)
    detect.on_time(later)
    detect.on_batch([rows_of(batch, other, other + 1)], later)
    assert detect.counts["entity_limit"] == 1
