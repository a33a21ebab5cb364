from collections import Counter

import numpy as np
import pytest

from streams.learners.betting import STEP, alarm, lower_bound, proves_less, proves_more, step_of, upper_bound

ALPHA = 0.05
SEQUENCES, LENGTH = 200, 80


def counts_of(values: list[float]) -> Counter[int]:
    return Counter(step_of(value) for value in values)


def two_points(share: float) -> np.ndarray:
    """Return sequences of -0.55 and 0.45, the second with probability `share`."""
    draws = np.random.default_rng(5).random((SEQUENCES, LENGTH)) < share
    return np.where(draws, 0.45, -0.55)


@pytest.mark.parametrize(("share", "mean"), [(0.55, 0.0), (0.1, -0.45), (0.95, 0.4)])
def test_a_bound_that_is_looked_at_after_every_value_is_wrong_as_seldom_as_stated(share: float, mean: float) -> None:
    wrong = 0
    for values in two_points(share).tolist():
        seen: Counter[int] = Counter()
        ever = False
        for value in values:
            seen[step_of(value)] += 1
            ever = ever or proves_more(seen, mean, low=-1.05, alpha=ALPHA)
        wrong += ever
    assert wrong <= 0.08 * SEQUENCES


def test_bounds_hold_the_mean_between_them_and_come_nearer_with_every_value() -> None:
    values = two_points(0.8)[0].tolist() * 5
    widths = []
    for count in (10, 40, 400):
        counts = counts_of(values[:count])
        low = lower_bound(counts, low=-1.05, alpha=ALPHA)
        high = upper_bound(counts, high=2.0, alpha=ALPHA)
        assert low <= np.mean(values[:count]) <= high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.25


def test_a_bound_is_the_last_mean_that_is_disproved() -> None:
    counts = counts_of(two_points(0.9)[0].tolist())
    low = lower_bound(counts, low=-1.05, alpha=ALPHA)
    high = upper_bound(counts, high=2.0, alpha=ALPHA)
    assert proves_more(counts, low - 1e-3, low=-1.05, alpha=ALPHA)
    assert not proves_more(counts, low + 1e-3, low=-1.05, alpha=ALPHA)
    assert proves_less(counts, high + 1e-3, high=2.0, alpha=ALPHA)
    assert not proves_less(counts, high - 1e-3, high=2.0, alpha=ALPHA)


def test_without_values_and_from_equal_ones_at_the_end_of_the_range_nothing_is_proved() -> None:
    assert lower_bound({}, low=-1.0, alpha=ALPHA) == -1.0
    assert lower_bound(counts_of([-1.0] * 50), low=-1.0, alpha=ALPHA) == -1.0
    assert not proves_more({}, -0.5, low=-1.0, alpha=ALPHA)
    assert not proves_more(counts_of([0.5] * 50), -1.0, low=-1.0, alpha=ALPHA)


def test_values_that_must_not_be_count_as_the_end_of_the_range() -> None:
    outside = counts_of([-3.0, 0.5, 0.5, 0.5, 0.5] * 9)
    inside = counts_of([-1.0, 0.5, 0.5, 0.5, 0.5] * 9)
    assert lower_bound(outside, low=-1.0, alpha=ALPHA) == lower_bound(inside, low=-1.0, alpha=ALPHA)


def test_a_value_counts_as_the_step_below_it_for_what_is_more_and_above_it_for_what_is_less() -> None:
    counts = {step_of(0.2051): 10_000}
    assert lower_bound(counts, low=-1.0, alpha=ALPHA) <= 0.2
    assert upper_bound(counts, high=1.0, alpha=ALPHA) >= 0.2 + STEP
    assert step_of(-0.05) == -5  # no step lower, whatever floats make of it


def until_alarm(values: np.ndarray, *, promised: float, at: float) -> int:
    capital = 1.0
    for count, value in enumerate(values.tolist(), start=1):
        capital = alarm(capital, value, promised=promised, low=-0.05, high=0.75)
        if capital >= at:
            return count
    return len(values)


def test_alarms_by_chance_are_as_rare_as_stated() -> None:
    runs = np.where(np.random.default_rng(3).random((200, 3_000)) < 0.9, 0.7, -0.05)
    counts = [until_alarm(run, promised=float(np.mean(run)), at=100) for run in runs]
    assert np.mean(counts) >= 100


def test_four_bad_ones_in_a_row_are_an_alarm_and_three_are_none() -> None:
    assert until_alarm(np.full(9, -0.05), promised=0.65, at=1_000) == 4
    assert until_alarm(np.array([0.7] * 50 + [-0.05] * 9), promised=0.65, at=1_000) == 54
