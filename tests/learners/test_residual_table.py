import msgspec
import numpy as np
import pytest

from streams.learners.residual_table import FEATURES, LEAST, ResidualTable
from streams.learners.season_choice import DAY_US
from streams.learners.season_profile import SLOTS
from streams.learners.seasons import Seasons

ROW = np.array([0])
JUMP, MEDIUM, LONG, LEVEL, SEASON = range(FEATURES)
HOUR_US = DAY_US // 24


def phases(time_us: int, rows: int = 1, metrics: int = 1, period_us: int = DAY_US) -> np.ndarray:
    return np.full((rows, metrics), time_us % period_us * SLOTS // period_us)


def packed(target: ResidualTable) -> bytes:
    return msgspec.msgpack.encode(target.columns())


def table(metrics: int = 1, rows: int = 1, floor: float = 0.001) -> ResidualTable:
    made = ResidualTable(warmup_windows=10, floor_relative=0.0)
    made.grow(rows, np.full(metrics, floor))
    return made


def feed(target: ResidualTable, values: np.ndarray, *, start: int = 0, step_us: int = HOUR_US) -> None:
    for number, value in enumerate(values.tolist(), start):
        target.learn(ROW, np.array([[value]]), phases(number * step_us))


def sizes(target: ResidualTable, value: float, time_us: int = 0) -> list[float]:
    """Return the ratio of each residual of a value to its spread."""
    ratios, _ = target.ratios(ROW, np.array([[value]]), phases(time_us))
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


def test_a_level_that_is_accepted_no_longer_stands_out():
    rng = np.random.default_rng(1)
    target = table(metrics=2)
    shifted = np.concatenate([rng.normal(100, 1, 500), rng.normal(106, 1, 60)])
    for number, value in enumerate(shifted.tolist()):
        target.learn(ROW, np.array([[value, value]]), phases(number * HOUR_US, metrics=2))
    target.settle(ROW, np.array([[True, False]]))
    ratios, _ = target.ratios(ROW, np.full((1, 2), 106.0), phases(0, metrics=2))
    settled, unsettled = np.exp(ratios[0, [LONG, LEVEL]]).T
    assert settled.max() < 2
    assert unsettled.min() > 3


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
    ratios, over_floor = target.ratios(ROW, np.array([[3.0]]), phases(0))
    assert over_floor[0, JUMP, 0] == pytest.approx(2.0)
    assert np.exp(ratios[0, JUMP, 0]) == pytest.approx(2.0)
    assert min(sizes(target, 2.0)) == pytest.approx(LEAST)


def test_many_rows_at_once_are_no_different_and_a_restored_table_is_the_same():
    values = np.random.default_rng(4).normal(10, 1, (100, 5, 2))
    many, one = table(2, 5), table(2, 5)
    for number, batch in enumerate(values):
        slots = phases(number * HOUR_US, 5, 2)
        many.learn(np.arange(5), batch, slots)
        for row in range(5):
            one.learn(np.array([row]), batch[row : row + 1], slots[:1])
    assert packed(one) == packed(many)
    other = table(2, 5)
    other.adopt(many.columns(), np.full(2, 0.001))
    assert packed(other) == packed(many)
    other.clear(3)
    ratios, _ = other.ratios(np.arange(5), values[0], phases(0, 5, 2))
    assert np.isnan(ratios[3]).all()
    assert np.isfinite(ratios[2]).all()


def test_some_of_the_rows_just_judged_are_learned_as_if_alone():
    rows, some = np.arange(5), np.array([0, 3])
    judged, alone = table(2, 5), table(2, 5)
    for number, values in enumerate(np.random.default_rng(5).normal(10, 1, (60, 5, 2))):
        slots = phases(number * HOUR_US, 5, 2)
        judged.ratios(rows, values, slots)
        judged.learn(rows, values, slots, some)
        alone.learn(rows[some], values[some], slots[some])
        assert packed(judged) == packed(alone)


def known_season(*, weight: float) -> Seasons:
    """Return what a probe says of `wave` after its last value at 0: that it swings by 5 about 100."""
    slots = 5 * np.sin(2 * np.pi * (np.arange(SLOTS) + 0.5) / SLOTS)
    return seasons(weight=weight, last=100.0, slots=slots, level=100.0, noise=0.4, residual=0.2)


def seasons(*, weight: float, last: float, slots: np.ndarray | None = None, **known: float) -> Seasons:
    """Return what is held against the only metric of the first row; slots that are not given are unknown."""
    numbers = {"weight": weight, "last": last, "level": 0.0, "noise": 0.0, "residual": 0.0} | known
    return Seasons(
        rows=ROW,
        metrics=np.array([0]),
        known=np.array([slots is not None]),
        slots=np.zeros((1, SLOTS)) if slots is None else slots[None],
        **{name: np.array([number]) for name, number in numbers.items()},
    )


def wave(windows: int, period: int) -> np.ndarray:
    return 100 + 5 * np.sin(2 * np.pi * np.arange(windows) / period) + np.random.default_rng(6).normal(0, 0.5, windows)


def through(target: ResidualTable, values: np.ndarray, *, start: int, period: int) -> list[list[float]]:
    """Judge and learn a window per value; return the ratios of each to its spreads."""
    found = []
    for number, value in enumerate(values.tolist(), start):
        window = (ROW, np.array([[value]]), phases(number, period_us=period))
        found.append(np.exp(target.ratios(*window)[0][0, :, 0]).tolist())
        target.learn(*window)
    return found


def test_what_is_left_of_a_season_of_its_own_surprises_at_no_scale_and_what_is_not_like_it_does():
    period = 480
    target = table()
    values = wave(8 * period, period)
    through(target, values[: 2 * period], start=0, period=DAY_US)
    target.expect(known_season(weight=1 / period))
    usual = np.array(through(target, values[2 * period :], start=2 * period, period=period))
    assert usual.mean(axis=0).max() < 1.3
    trough = np.array(through(target, np.full(5, 95.0), start=8 * period + period // 4, period=period))
    assert trough[:, [MEDIUM, LONG, SEASON]].min() > 8


def test_a_fault_hardly_becomes_the_season_and_a_level_that_moves_does_not():
    period = 480
    target = table()
    through(target, wave(period, period), start=0, period=DAY_US)
    target.expect(known_season(weight=1 / period))
    values = wave(12 * period, period)
    values[6 * period :] += 20
    found = np.array(through(target, values, start=period, period=period))
    assert found[6 * period, JUMP] > 10
    assert found[-period:].mean(axis=0)[[JUMP, MEDIUM]].max() < 1.5


def test_a_season_that_is_given_up_leaves_the_plain_residual():
    period = 480
    target = table()
    values = wave(3 * period, period)
    through(target, values, start=0, period=DAY_US)
    target.expect(known_season(weight=1 / period))
    target.expect(seasons(weight=0.0, last=float(values[-1])))
    found = sizes(target, 130.0, 3 * period)
    assert found[SEASON] == pytest.approx(found[LONG], rel=0.5)


def test_a_new_normal_keeps_the_season_and_a_forgotten_row_does_not():
    target = table()
    through(target, wave(100, 480), start=0, period=DAY_US)
    target.expect(known_season(weight=1 / 480))
    empty = packed(table())
    target.clear(0)
    assert packed(target) != empty
    through(target, 40 + wave(480, 480), start=0, period=480)
    assert max(sizes(target, 145.0, DAY_US // 4)) < 4
    target.forget(0)
    assert packed(target) == empty


def test_where_all_seasons_are_those_of_the_day_one_slot_for_all_metrics_is_as_good():
    rows, one_each, one_for_all = np.arange(5), table(2, 5), table(2, 5)
    for number, values in enumerate(np.random.default_rng(7).normal(10, 1, (60, 5, 2))):
        for target, columns in ((one_each, 2), (one_for_all, 1)):
            slots = phases(number * HOUR_US, 5, columns)
            target.ratios(rows, values, slots)
            target.learn(rows, values, slots)
    assert packed(one_for_all) == packed(one_each)


def test_a_table_of_no_metrics_learns_nothing():
    target = table(0, 2)
    target.learn(np.arange(2), np.zeros((2, 0)), phases(0, 2))
    assert target.columns().metrics == 0


def test_a_metric_that_is_cleared_is_as_if_it_had_never_been():
    rng = np.random.default_rng(3)
    cleared, never = table(metrics=2, rows=2), table(metrics=2, rows=2)
    rows = np.arange(2)
    for number in range(60):
        values = rng.normal(100, 1, (2, 2))
        cleared.learn(rows, values, phases(number * HOUR_US, rows=2, metrics=2))
        never.learn(rows, np.where([True, False], values, np.nan), phases(number * HOUR_US, rows=2, metrics=2))
    cleared.clear_metric(rows[1:], 1)
    assert packed(cleared) != packed(never)
    cleared.clear_metric(rows, 1)
    assert packed(cleared) == packed(never)
