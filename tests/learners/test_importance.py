"""Rewards that stand for more than themselves."""

import numpy as np
import pytest

from streams.learners.importance import effective_size, self_normalised


def test_equal_weights_are_the_plain_mean_and_its_error() -> None:
    rewards = np.array([0.0, 1.0, 0.0, 1.0])
    found = self_normalised(np.full(4, 3.0), rewards)
    assert found is not None
    assert found.value == 0.5
    assert found.error == pytest.approx(rewards.std() / 2.0)
    assert found.effective == pytest.approx(4.0)


def test_weights_of_0_count_as_nothing() -> None:
    found = self_normalised(np.array([0.0, 2.0, 2.0]), np.array([9.0, 0.25, 0.75]))
    assert found is not None
    assert (found.value, found.effective) == (0.5, 2.0)
    assert self_normalised(np.zeros(3), np.ones(3)) is None
    assert self_normalised(np.zeros(0), np.zeros(0)) is None


def test_one_weight_that_outweighs_all_is_worth_one() -> None:
    assert effective_size(np.array([1_000.0, *[1.0] * 10])) == pytest.approx(1.0, abs=0.03)
    assert effective_size(np.zeros(2)) == 0.0
