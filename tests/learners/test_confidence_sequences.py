import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.learners.confidence_sequences import Moments, interval

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def moments_of(values: list[float]) -> Moments:
    moments = Moments()
    for value in values:
        moments.add(value)
    return moments


@given(VALUES, st.floats(0, 1))
def test_a_value_taken_back_was_never_there(values: list[float], wrong: float) -> None:
    moments = moments_of([wrong, *values])
    moments.remove(wrong)
    assert moments.count == len(values)
    assert moments.mean == pytest.approx(np.mean(values), abs=1e-9)
    if len(values) > 1:
        assert moments.variance == pytest.approx(np.var(values, ddof=1), abs=1e-9)


@given(VALUES)
def test_the_interval_holds_the_mean_and_stays_in_the_range(values: list[float]) -> None:
    moments = moments_of(values)
    low, high = interval(moments, low=0.0, high=1.0)
    assert 0.0 <= low <= moments.mean + 1e-12
    assert moments.mean - 1e-12 <= high <= 1.0


def test_few_equal_values_prove_little() -> None:
    low, high = interval(moments_of([1.0, 1.0, 1.0]), low=0.0, high=1.0)
    assert low < 0.5
    assert high == 1.0


def test_more_values_narrow_it() -> None:
    draw = np.random.default_rng(3)
    widths = [
        high - low
        for n in (20, 100, 500, 2_500)
        for low, high in [interval(moments_of(draw.random(n).tolist()), low=0.0, high=1.0)]
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.06


def test_looking_after_every_value_seldom_misses_the_truth() -> None:
    """With a plain 95 % interval looked at 400 times, a third of these runs would miss it once."""
    draw, missed, plain, runs = np.random.default_rng(5), 0, 0, 60
    for _ in range(runs):
        moments, wrong, naive = Moments(), False, False
        for value in draw.binomial(1, 0.3, 400).tolist():
            moments.add(float(value))
            low, high = interval(moments, low=0.0, high=1.0)
            wrong |= not low <= 0.3 <= high
            half = 1.96 * (moments.variance / moments.count) ** 0.5
            naive |= moments.count > 10 and abs(moments.mean - 0.3) > half
        missed += wrong
        plain += naive
    assert missed / runs <= 0.05
    assert plain / runs > 0.25
