"""Detect finds a season by itself: what no longer comes at its time is noticed, however batches are cut."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from schemas.events import Episode, Event
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.laws.recorded import rows_of

SECOND = 1_000_000
START_S = 1_000_000
PERIOD, PEAK = 24, 4
NOW = Now((START_S + 5_000) * SECOND, 0)
NAMES = ["pump", "fan", "belt"]
CASES = {
    "windows": DetectSettings(window_us=SECOND, forest_weight=0.0),
    "one-sample": DetectSettings(window_us=0, false_alarms="1/1000s", forest_weight=0.0),
}


def telemetry(start: int, stop: int, *, missing: range = range(0), names: list[str] = NAMES) -> TelemetryBatch:
    """One row per entity and second: `load` has a peak every 24 seconds, unless it is `missing`; `temperature` none."""
    seconds = np.repeat(np.arange(start, stop), len(names))
    noise = np.random.default_rng(start).normal(size=(len(seconds), 2))
    peak = (seconds % PERIOD < PEAK) & ~np.isin(seconds, missing)
    return TelemetryBatch(
        topic="telemetry",
        partition=0,
        offsets=np.arange(len(seconds)) + start * len(names),
        entities=names * (stop - start),
        time_us=(START_S + seconds) * SECOND,
        metrics=("load", "temperature"),
        values=np.array([20.0, 50.0]) + noise + np.stack([10.0 * peak, np.zeros(len(peak))], axis=1),
    )


def fed(detect: Detect, batch: TelemetryBatch) -> list[Event]:
    return detect.on_batch([batch], NOW)


def made(case: str) -> Detect:
    return Detect(CASES[case], loop="loop", partition=0, seed=1)


def test_a_peak_that_does_not_come_is_noticed_and_one_that_does_is_not() -> None:
    detect = made("one-sample")
    fed(detect, telemetry(0, 3_000))
    usual = fed(detect, telemetry(3_000, 3_600))
    first = 3_600 + -3_600 % PERIOD
    unusual = fed(detect, telemetry(3_600, 3_600 + 3 * PERIOD, missing=range(first, first + PEAK)))
    assert len(opened(usual)) <= 3
    assert {event.entity for event in opened(unusual)} == set(NAMES)


def opened(events: list[Event]) -> list[Episode]:
    return [event for event in events if isinstance(event, Episode) and event.phase == "opened"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [1, 40, 333])
def test_a_season_is_found_alike_however_batches_are_cut(case: str, step: int) -> None:
    batch = telemetry(0, 500)
    whole, parts = made(case), made(case)
    expected = fed(whole, batch)
    edges = [*range(0, len(batch), step), len(batch)]
    events = [event for start, stop in pairwise(edges) for event in fed(parts, rows_of(batch, start, stop))]
    assert events == expected
    assert parts.snapshot() == whole.snapshot()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("second", [60, 97, 200, 390])
def test_what_was_restored_finds_the_same_season(case: str, second: int) -> None:
    whole, other = made(case), made(case)
    fed(whole, telemetry(0, second))
    other.restore(whole.snapshot())
    assert fed(other, telemetry(second, 600)) == fed(whole, telemetry(second, 600))
    assert other.snapshot() == whole.snapshot()


def test_who_comes_back_has_its_season_still() -> None:
    told = []
    for aside_us in (600 * SECOND, 10**15):
        settings = DetectSettings(window_us=SECOND, forest_weight=0.0, aside_us=aside_us)
        detect = Detect(settings, loop="loop", partition=0, seed=1)
        fed(detect, telemetry(0, 600))
        for second in range(600, 1_800, 30):
            now = Now(NOW.us + second * SECOND, 0)
            detect.on_time(now)
            detect.on_batch([telemetry(second, second + 1, names=NAMES[:1])], now)
        away = [entity for entity, _ in msgspec.msgpack.decode(detect.snapshot())["aside"]]
        told.append((away, detect.on_batch([telemetry(1_800, 2_100)], Now(NOW.us + 1_800 * SECOND, 0))))
    (away, events), (nobody, expected) = told
    assert sorted(away) == sorted(NAMES[1:])
    assert nobody == []
    assert events == expected
