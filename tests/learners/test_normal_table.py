import numpy as np
import pytest

from streams.learners.normal_table import NormalTable

ROW = np.array([0])


def table(metrics: int = 1, rows: int = 1, **changes: float) -> NormalTable:
    defaults = {
        "fast_windows": 20.0, "slow_windows": 240.0, "warmup_windows": 10, "prior_windows": 10.0,
        "floor_relative": 0.05, "limit": 10.0,
    }  # fmt: skip
    made = NormalTable(**(defaults | changes))  # type: ignore[arg-type]
    made.grow(rows, np.full(metrics, 0.001))
    return made


def feed(target: NormalTable, values: np.ndarray, row: int = 0) -> None:
    for value in values:
        target.learn(np.array([row]), np.atleast_2d(value))


def z_of(target: NormalTable, value: float, row: int = 0) -> float:
    return float(target.standardise(np.array([row]), np.array([[value]]))[0, 0])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_z_of_noise_is_about_standard_at_any_scale(scale):
    rng = np.random.default_rng(0)
    target = table()
    target.grow(1, np.array([0.001 * scale]))
    feed(target, scale * rng.normal(50, 10, 1_000))
    zs = [z_of(target, scale * value) for value in rng.normal(50, 10, 1_000)]
    assert np.std(zs) == pytest.approx(1, abs=0.35)
    assert np.mean(zs) == pytest.approx(0, abs=0.3)


def test_a_start_up_outlier_is_soon_forgotten():
    target = table()
    feed(target, np.concatenate([[100.0], np.random.default_rng(1).normal(10, 1, 30)]))
    assert z_of(target, 30) > 3


def test_a_single_outlier_later_moves_little():
    rng = np.random.default_rng(2)
    target = table()
    feed(target, rng.normal(10, 1, 100))
    before = z_of(target, 16)
    feed(target, np.array([1e6]))
    assert z_of(target, 16) > 0.6 * before


def test_nothing_is_surprising_before_the_warm_up_ends_and_absent_values_never_are():
    target = table()
    feed(target, np.full(9, 5.0))
    assert z_of(target, 100) == 0
    feed(target, np.full(1, 5.0))
    assert z_of(target, 100) == 10
    assert z_of(target, np.nan) == 0
    feed(target, np.full(5, np.nan))
    assert z_of(target, 100) == 10


def test_a_newcomer_borrows_the_spread_of_its_peers():
    rng = np.random.default_rng(3)
    alone, among = table(rows=6), table(rows=6)
    for row in range(5):
        feed(among, rng.normal(100, 20, 200), row)
    among.survey()
    for target in (alone, among):
        feed(target, np.full(10, 100.0), 5)  # lucky: no spread of its own yet
    assert z_of(alone, 160, 5) == 10
    assert 1 < z_of(among, 160, 5) < 4


def test_a_restored_table_is_the_same():
    target, other = table(metrics=2, rows=3), table(metrics=2, rows=3)
    feed(target, np.random.default_rng(4).normal(0, 1, (50, 2)), 1)
    target.survey()
    other.restore(target.snapshot(), np.full(2, 0.001))
    assert other.snapshot() == target.snapshot()
    assert z_of(table(), 3) == 0
    sample = np.array([[2.0, -2.0]])
    assert other.standardise(np.array([1]), sample).tolist() == target.standardise(np.array([1]), sample).tolist()
    target.clear(1)
    assert target.standardise(np.array([1]), sample).tolist() == [[0, 0]]


def test_some_of_the_rows_just_judged_are_learned_as_if_alone():
    rows, some = np.arange(5), np.array([0, 3])
    judged, alone = table(2, 5), table(2, 5)
    for values in np.random.default_rng(5).normal(10, 1, (60, 5, 2)):
        judged.standardise(rows, values)
        judged.learn(rows, values, some)
        alone.learn(rows[some], values[some])
        assert judged.snapshot() == alone.snapshot()


def test_a_metric_that_is_cleared_is_as_if_it_had_never_been():
    rng = np.random.default_rng(3)
    cleared, never = table(metrics=2, rows=3), table(metrics=2, rows=3)
    rows = np.arange(3)
    for _ in range(30):
        values = rng.normal(100, 1, (3, 2))
        cleared.learn(rows, values)
        never.learn(rows, np.where([True, False], values, np.nan))
    cleared.survey()
    never.survey()
    cleared.clear_metric(rows, 1)
    assert cleared.snapshot() != never.snapshot(), "what newcomers borrow is another's still"
    cleared.release_metric(1)
    assert cleared.snapshot() == never.snapshot()
