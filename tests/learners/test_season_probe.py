"""The period of each metric, found by itself."""

import msgspec
import numpy as np
import pytest

from streams.learners.season_choice import DAY_US
from streams.learners.season_probe import TOGETHER, SeasonProbe
from streams.learners.season_profile import SLOTS
from streams.learners.seasons import Seasons

SECOND = 1_000_000
START_US = 1_700_000_000 * SECOND
NOTHING = np.nan


def probe(rows: int = 1, metrics: int = 1) -> SeasonProbe:
    made = SeasonProbe()
    made.grow(rows, metrics)
    return made


def feed(target: SeasonProbe, values: np.ndarray, *, start: int = 0, step_us: int = SECOND) -> list[Seasons]:
    """Learn values of shape (windows, rows) or (windows, rows, metrics), a window a step."""
    rows = np.arange(values.shape[1])
    cube = values.reshape(len(values), len(rows), -1)
    times = START_US + np.arange(start, start + len(cube)) * step_us
    found = [
        target.learn(rows, window, np.full(len(rows), time_us))
        for window, time_us in zip(cube, times.tolist(), strict=True)
    ]
    return [seasons for seasons in found if seasons is not None]


def rows_of(found: list[Seasons]) -> set[int]:
    return {row for seasons in found for row in seasons.rows.tolist()}


def packed(target: SeasonProbe) -> bytes:
    return msgspec.msgpack.encode(target.columns())


def periods(target: SeasonProbe) -> np.ndarray:
    """Return the period of each metric of each row, in seconds, from the phases it names."""
    columns = target.columns()
    return np.frombuffer(columns.periods, np.float32).reshape(columns.rows, columns.metrics) / SECOND


def shaped(shape: str, windows: int, period: float, rows: int, seed: int = 0) -> np.ndarray:
    """Return a season in noise of deviation 1, each row with a phase of its own."""
    rng = np.random.default_rng(seed)
    phase = np.arange(windows)[:, None] / period + rng.random(rows)
    shapes = {
        "sine": 3 * np.sin(2 * np.pi * phase),
        "square": 4.0 * (phase % 1 < 0.3),
        "peaks": 8.0 * (phase % 1 < 0.15) + 2.0 * (np.abs(phase % 1 - 0.6) < 0.06),
    }
    return 100 + shapes[shape] + rng.normal(size=(windows, rows))


@pytest.mark.parametrize("shape", ["sine", "square", "peaks"])
@pytest.mark.parametrize(("period", "windows"), [(7, 400), (24, 400), (100, 800), (288, 1_600), (1_000, 6_200)])
def test_a_period_is_found_after_a_few_cycles(shape, period, windows):
    target = probe(20)
    found = feed(target, shaped(shape, windows, period, 20))
    times = periods(target)[:, 0] / period
    right = (np.abs(times / np.maximum(np.rint(times), 1) - 1) < 0.015) & (times < 3.1)  # a small multiple is one too
    assert right.mean() >= 0.9
    assert rows_of(found) >= set(right.nonzero()[0].tolist())


@pytest.mark.parametrize("kind", ["white", "walk", "trend", "t3", "walk of t3", "walk of a walk"])
def test_what_has_none_has_none(kind):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(3_200, 150))
    tails = rng.standard_t(3, size=noise.shape)
    streams = {
        "white": noise,
        "walk": noise.cumsum(axis=0),
        "trend": noise + 0.01 * np.arange(len(noise))[:, None],
        "t3": tails,
        "walk of t3": tails.cumsum(axis=0),
        "walk of a walk": noise.cumsum(axis=0).cumsum(axis=0),
    }
    found = feed(probe(150), 100 + streams[kind])
    assert len(rows_of(found)) <= 1


def test_the_profile_is_what_the_season_looks_like():
    target = probe()
    found = feed(target, shaped("square", 1_600, 288, 1))[-1]
    assert found.known.all()
    assert found.weight == pytest.approx(1 / 288, rel=0.02)
    assert found.slots.max() - found.slots.min() == pytest.approx(4, rel=0.25)
    assert found.level == pytest.approx(100 + 0.3 * 4, abs=1)
    assert found.noise == pytest.approx(0.8, rel=0.6)


def test_a_natural_period_is_found_exactly_and_a_day_is_no_news():
    hourly, daily = probe(10), probe(10)
    feed(hourly, shaped("sine", 800, 12, 10), step_us=300 * SECOND)
    assert np.isin(periods(hourly), [3_600, 7_200]).all()
    assert feed(daily, shaped("sine", 2_000, 288, 10), step_us=300 * SECOND) == []


def test_what_comes_every_hour_gives_way_to_a_stronger_day():
    values = shaped("sine", 2_200, 12, 10)
    values[600:] += 4 * (shaped("sine", 1_600, 288, 10, seed=1) - 100)
    target = probe(10)
    found = feed(target, values[:600], step_us=300 * SECOND)
    assert (periods(target) == 3_600).all()
    found += feed(target, values[600:], start=600, step_us=300 * SECOND)
    assert (periods(target) == DAY_US // SECOND).all()
    latest = {row: seasons.weight[place] for seasons in found for place, row in enumerate(seasons.rows.tolist())}
    assert set(latest.values()) == {0.0}


def test_every_metric_has_its_turn_and_absent_ones_have_none():
    target = probe(5, 4)
    values = np.full((6_000, 5, 4), NOTHING)
    values[..., 0] = np.random.default_rng(2).normal(size=values.shape[:2])
    values[..., 2] = shaped("sine", 6_000, 50, 5)
    values[..., 3] = shaped("square", 6_000, 200, 5)
    feed(target, values)
    known = periods(target)
    assert (known[:, :2] == DAY_US // SECOND).all()
    assert np.allclose(known[:, 2], 50, rtol=0.01)
    assert (np.abs(np.sin(np.pi * known[:, 3] / 200)) < 0.05).all()  # or twice


def test_a_season_that_ended_is_given_up():
    target = probe(5)
    feed(target, shaped("sine", 1_000, 30, 5))
    assert np.allclose(periods(target), 30, rtol=0.01)
    rng = np.random.default_rng(3)
    found = feed(target, 100 + rng.normal(size=(4_000, 5)), start=1_000)
    assert (periods(target) == DAY_US // SECOND).all()
    assert {row for seasons in found for row in seasons.rows[~seasons.known].tolist()} == set(range(5))


def test_gaps_and_absent_values_do_not_hide_a_period():
    values = shaped("sine", 1_600, 288, 10)
    values[np.random.default_rng(4).random(values.shape) < 0.15] = NOTHING
    target = probe(10)
    feed(target, values[:700])
    feed(target, values[760:], start=760)
    assert np.allclose(periods(target), 288, rtol=0.015)


@pytest.mark.parametrize("first_us", [1, 100, 600 * SECOND])
def test_a_first_gap_unlike_the_others_does_no_lasting_harm(first_us):
    target = probe(10)
    rows, values = np.arange(10), shaped("sine", 2_300, 288, 10)
    target.learn(rows, values[0][:, None], np.full(10, START_US - first_us))
    found = feed(target, values)
    assert np.allclose(periods(target), 288, rtol=0.015)
    assert np.allclose(found[-1].weight, 1 / 288, rtol=0.05)


def test_extreme_values_do_no_harm():
    values = shaped("sine", 500, 24, 4)
    values[100], values[200, 1:], values[300] = 1e300, -np.inf, 0.0
    target = probe(4)
    feed(target, values)
    feed(target, np.full((500, 4), 1e300), start=500)


def test_what_is_told_of_a_season_is_finite_even_if_it_is_found_at_an_extreme_value():
    values = shaped("sine", 194, 24, 20)
    values[193] = 1e300  # ends the rings of the first 192
    found = feed(probe(20), values)[-1]
    assert found.last.max() == pytest.approx(1e30)
    numbers = (found.weight, found.last, found.level, found.noise, found.residual, found.slots)
    assert all(np.isfinite(some.astype(np.float32)).all() for some in numbers)


def test_of_many_rows_that_start_at_once_few_are_searched_at_a_time():
    rows = 10 * TOGETHER
    target = probe(rows)
    found = feed(target, shaped("sine", 500, 24, rows))
    assert max(len(seasons.rows) for seasons in found) <= TOGETHER
    assert len(rows_of(found)) >= 0.95 * rows


def test_after_a_silence_of_all_rows_few_are_searched_at_a_time():
    rows = 4 * TOGETHER
    target = probe(rows)
    feed(target, shaped("sine", 50, 24, rows))
    found = feed(target, shaped("sine", 500, 24, rows), start=5_000)
    assert max(len(seasons.rows) for seasons in found) <= TOGETHER
    assert len(rows_of(found)) >= 0.95 * rows


def test_where_there_is_no_metric_there_is_nothing_to_learn():
    target = probe(2, 0)
    assert target.phases(np.arange(2), np.array([0, 1])).shape == (2, 1)
    assert target.learn(np.arange(2), np.zeros((2, 0)), np.array([0, 1])) is None


def test_rows_together_are_no_different_from_rows_alone_and_a_restored_probe_is_the_same():
    values = shaped("sine", 900, 24, 4)
    values[300:340, 2] = NOTHING
    together, alone = probe(4), probe(4)
    found = feed(together, values)
    for row in range(4):
        for number, value in enumerate(values[:, row].tolist()):
            alone.learn(np.array([row]), np.array([[value]]), np.array([START_US + number * SECOND]))
    assert found
    assert packed(alone) == packed(together)
    other = probe(1)
    other.adopt(together.columns())
    other.grow(4, 1)
    assert packed(other) == packed(together)
    more = shaped("sine", 300, 24, 4, seed=5)
    assert len(feed(other, more, start=900)) == len(feed(together, more, start=900))
    assert packed(other) == packed(together)


def test_a_row_that_is_forgotten_is_like_a_new_one():
    target = probe(2)
    feed(target, shaped("sine", 500, 24, 2))
    for row in range(2):
        target.clear(row)
    assert packed(target) == packed(probe(2))


def test_phases_of_a_day_are_its_half_hours():
    times = START_US // DAY_US * DAY_US + np.array([0, 1_799_999_999, 1_800_000_000, DAY_US - 1])
    assert probe(4).phases(np.arange(4), times)[:, 0].tolist() == [0, 0, 1, 47]


def test_a_metric_that_is_cleared_has_no_period_any_more_and_leaves_its_ring_to_the_others():
    target, fresh = probe(2, 2), probe(2, 2)
    values = np.stack([shaped("sine", 400, 24, 2), np.full((400, 2), NOTHING)], axis=2)
    feed(target, values)
    found = packed(target)
    assert (periods(target)[:, 0] < 100).all()
    target.clear_metric(np.arange(2), 1)
    assert packed(target) == found
    target.clear_metric(np.arange(2), 0)
    assert packed(target) == packed(fresh)


def test_the_last_moment_of_a_period_of_milliseconds_is_in_its_last_slot():
    """What is left of the time was a whole period, and its slot one of another metric or entity."""
    target = probe()
    found = target.columns()
    found.periods = np.full(1, 6_250.249_511_718_75, np.float32).data
    target.adopt(found)
    assert target.phases(np.array([0]), np.array([1_700_000_000_509_493])).tolist() == [[SLOTS - 1]]
