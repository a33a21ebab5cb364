"""What actions earned, by a log of who was chosen how often."""

import random

import pytest

from streams.learners.logged_rewards import LEAST, LoggedRewards


def logged(*rewards: tuple[float, float]) -> LoggedRewards:
    """Return rewards of one pair, each (propensity, reward)."""
    found = LoggedRewards()
    for number, (propensity, reward) in enumerate(rewards):
        found.see(str(number), context="p", action="restart", propensity=propensity, reward=reward)
    return found


def test_what_was_chosen_rarely_stands_for_more() -> None:
    mean = logged(*[(0.8, 1.0)] * 8, *[(0.2, 0.0)] * 8).mean("p", "restart")
    assert mean is not None
    assert mean.value == pytest.approx(8 / 0.8 / (8 / 0.8 + 8 / 0.2))
    assert mean.count == 16


def test_few_rewards_and_rewards_that_rest_on_one_tell_nothing() -> None:
    assert logged(*[(0.5, 1.0)] * (LEAST - 1)).mean("p", "restart") is None
    assert logged(*[(0.5, 1.0)] * LEAST).mean("p", "restart") is not None
    assert logged(*[(1.0, 1.0)] * LEAST, (0.001, 0.0)).mean("p", "restart") is None
    assert logged().mean("p", "none") is None


def test_a_correction_takes_the_place_of_what_was_said_before() -> None:
    rewards = logged(*[(0.5, 1.0)] * LEAST)
    rewards.see("0", context="p", action="none", propensity=0.5, reward=0.2)
    assert rewards.mean("p", "restart") is None
    assert rewards.reward("0") == 0.2
    assert rewards.reward("never seen") is None


def test_the_mean_undoes_a_choice_that_looked_at_the_features() -> None:
    """Where hard cases got the action more often, the plain mean is wrong and the weighted one is not."""
    inside, plain_off = 0, 0
    for seed in range(60):
        draw = random.Random(seed)
        rewards, taken = LoggedRewards(), []
        for number in range(400):
            hard = draw.random() < 0.5
            propensity = 0.8 if hard else 0.2
            if draw.random() < propensity:
                reward = (0.2 if hard else 0.8) + draw.gauss(0, 0.1)
                taken.append(reward)
                rewards.see(str(number), context="p", action="a", propensity=propensity, reward=reward)
        mean = rewards.mean("p", "a")
        assert mean is not None
        inside += abs(mean.value - 0.5) <= 1.96 * mean.error
        plain_off += abs(sum(taken) / len(taken) - 0.5) > 0.1
    assert inside >= 52
    assert plain_off >= 57
