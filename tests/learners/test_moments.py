import numpy as np
import pytest

from streams.learners.moments import Moments

ROWS = np.random.default_rng(1).normal(3.0, 2.0, (40, 3))


def close(one: Moments, other: Moments) -> bool:
    return (
        one.weight == pytest.approx(other.weight)
        and np.allclose(one.mean, other.mean)
        and np.allclose(one.spread, other.spread)
    )


def test_parts_add_up_to_the_whole() -> None:
    whole = Moments.of(ROWS, 0.5)
    assert close(Moments.of(ROWS[:7], 0.5).plus(Moments.of(ROWS[7:], 0.5)), whole)
    assert np.allclose(whole.spread / whole.weight, np.cov(ROWS.T, bias=True))


def test_what_was_added_can_be_taken_out_again() -> None:
    first, other = Moments.of(ROWS[:7], 2.0), Moments.of(ROWS[7:], 0.1)
    assert close(first.plus(other).minus(other), first)
    assert first.minus(first).weight == 0.0


def test_of_nothing_nothing_is_known() -> None:
    none = Moments.none(3)
    assert close(none.plus(Moments.of(ROWS, 1.0)), Moments.of(ROWS, 1.0))
    assert none.plus(none).weight == 0.0


def test_faded_rows_weigh_less_and_say_the_same() -> None:
    whole = Moments.of(ROWS, 1.0)
    assert close(whole.faded(0.25), Moments.of(ROWS, 0.25))


def test_a_new_column_was_constant() -> None:
    wide = Moments.of(ROWS, 1.0).widened(np.array([5.0]))
    assert close(wide, Moments.of(np.c_[ROWS, np.full(40, 5.0)], 1.0))
