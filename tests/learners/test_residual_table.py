import msgspec
import numpy as np
import pytest

from streams.learners.residual_table import DAY_US, FEATURES, LEAST, ResidualTable

ROW = np.array([0])
JUMP, MEDIUM, LONG, LEVEL, SEASON = range(FEATURES)
HOUR_US = DAY_US // 24


def packed(target: ResidualTable) -> bytes:
    return msgspec.msgpack.encode(target.columns())


def table(metrics: int = 1, rows: int = 1, floor: float = 0.001) -> ResidualTable:
    made = ResidualTable(warmup_windows=10, floor_relative=0.0)
    made.grow(rows, np.full(metrics, floor))
    return made


def feed(target: ResidualTable, values: np.ndarray, *, start: int = 0, step_us: int = HOUR_US) -> None:
    for number, value in enumerate(values.tolist(), start):
        target.learn(ROW, np.array([[value]]), np.array([number * step_us]))


def sizes(target: ResidualTable, value: float, time_us: int = 0) -> list[float]:
    """Return the ratio of each residual of a value to its spread."""
    ratios, _ = target.ratios(ROW, np.array([[value]]), np.array([time_us]))
    return np.exp(ratios[0, :, 0]).tolist()


def test_a_spike_is_large_against_every_average():
    target = table()
    feed(target, np.random.default_rng(0).normal(100, 1, 500))
    found = sizes(target, 130.0)
    assert min(found[feature] for feature in (JUMP, MEDIUM, LONG, SEASON)) > 10


def test_a_slow_shift_shows_between_the_averages_though_no_value_stands_out():
    rng = np.random.default_rng(1)
    target = table()
    feed(target, np.concatenate([rng.normal(100, 1, 500), rng.normal(102, 1, 30)]))
    found = sizes(target, 102.0)
    assert found[LEVEL] > 5
    assert found[JUMP] < 5


def test_what_returns_every_day_is_expected_by_the_time_of_day():
    rng = np.random.default_rng(2)
    days = np.tile(np.where(np.arange(24) == 12, 50.0, 10.0), 40) + rng.normal(0, 0.5, 960)
    target = table()
    feed(target, days)
    assert sizes(target, 50.0, 12 * HOUR_US)[SEASON] < 3
    assert sizes(target, 50.0, 3 * HOUR_US)[SEASON] > 10


def test_nothing_is_known_before_the_warm_up_ends_nor_of_an_absent_value():
    target = table()
    feed(target, np.full(9, 5.0))
    assert np.isnan(sizes(target, 9.0)).all()
    feed(target, np.full(1, 5.0), start=9)
    assert min(sizes(target, 9.0)) > 1
    assert np.isnan(sizes(target, float("nan"))).all()


def test_an_absent_value_is_not_learned():
    target = table()
    feed(target, np.full(20, 5.0))
    before = packed(target)
    feed(target, np.full(3, np.nan), start=20)
    assert packed(target) == before


def test_a_start_up_outlier_is_soon_forgotten():
    target = table()
    feed(target, np.concatenate([[100.0], np.random.default_rng(3).normal(10, 1, 30)]))
    assert sizes(target, 30.0)[MEDIUM] > 3


def test_a_constant_is_held_against_the_floor():
    target = table(floor=0.5)
    feed(target, np.full(50, 2.0))
    ratios, over_floor = target.ratios(ROW, np.array([[3.0]]), ROW)
    assert over_floor[0, JUMP, 0] == pytest.approx(2.0)
    assert np.exp(ratios[0, JUMP, 0]) == pytest.approx(2.0)
    assert min(sizes(target, 2.0)) == pytest.approx(LEAST)


def test_many_rows_at_once_are_no_different_and_a_restored_table_is_the_same():
    values = np.random.default_rng(4).normal(10, 1, (100, 5, 2))
    many, one = table(2, 5), table(2, 5)
    for number, batch in enumerate(values):
        times = np.full(5, number * HOUR_US)
        many.learn(np.arange(5), batch, times)
        for row in range(5):
            one.learn(np.array([row]), batch[row : row + 1], times[:1])
    assert packed(one) == packed(many)
    other = table(2, 5)
    other.adopt(many.columns(), np.full(2, 0.001))
    assert packed(other) == packed(many)
    other.clear(3)
    ratios, _ = other.ratios(np.arange(5), values[0], np.zeros(5, np.int64))
    assert np.isnan(ratios[3]).all()
    assert np.isfinite(ratios[2]).all()


def test_some_of_the_rows_just_judged_are_learned_as_if_alone():
    rows, some = np.arange(5), np.array([0, 3])
    judged, alone = table(2, 5), table(2, 5)
    for number, values in enumerate(np.random.default_rng(5).normal(10, 1, (60, 5, 2))):
        times = np.full(5, number * HOUR_US)
        judged.ratios(rows, values, times)
        judged.learn(rows, values, times, some)
        alone.learn(rows[some], values[some], times[some])
        assert packed(judged) == packed(alone)
