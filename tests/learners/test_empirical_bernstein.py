"""Bounds that hold however often one looks, with clusters and without."""

import numpy as np
import pytest

from streams.learners.empirical_bernstein import design_effect, first_above, lower_bound, stakes

ALPHA = 0.05
PEEKS = (20, 50, 100, 200, 400, 800)
GOLDEN, FIRST = (-1.0, -1.0, -0.142277, 0.120372), 69
"""Worked out from the formula by itself."""


def bound(values: np.ndarray, *, least: float = 0.0, alpha: float = ALPHA, effect: float = 1.0) -> float:
    return lower_bound(values, least=least, centres=(0.0, 1.0), alpha=alpha, design_effect=effect)


def test_without_values_nothing_is_bounded() -> None:
    assert bound(np.zeros(0)) == 0.0
    assert bound(np.zeros(500)) == pytest.approx(0.0, abs=1e-9)


def test_it_nears_the_mean_as_values_come_and_is_never_above_what_could_be() -> None:
    values = np.tile([0.2, 0.8], 5_000)
    bounds = [bound(values[:count]) for count in (10, 100, 1_000, 10_000)]
    assert bounds == sorted(bounds)
    assert 0.48 < bounds[-1] < 0.5


def test_by_hand_with_values_that_never_vary() -> None:
    """All values at the centre of their range leave no spread, and the largest stake decides: the bound is explicit
    for a single stake, and a mixture of nine costs a factor of at most nine.
    """
    count, reach = 1_000, 1.0
    found = bound(np.full(count, 0.5))
    stake = 0.9 / reach
    assert 0.5 - np.log(9 / ALPHA) / (stake * count) <= found <= 0.5 - np.log(1 / ALPHA) / (stake * count)


@pytest.mark.parametrize("least", [0.0, -1.0, -4.6])
def test_no_stake_wins_on_average_whatever_the_mean_and_the_centre(least: float) -> None:
    """The game is fair at best: for values of two kinds, one of them at the edge of the range, and every centre that
    may have been foretold, the money of each stake is expected to be no more than before. All else rests on that.
    """
    centres = np.linspace(-1.0, 1.0, 9) if least < 0.0 else np.linspace(0.0, 1.0, 9)
    reach = float(centres[-1]) - least
    tightest = 0.0
    for stake, charge in stakes(reach):
        for centre in centres:
            for high in (least + 1e-3, 0.0, 0.5, 1.0, 5.0, 50.0):
                for chance in (1e-3, 0.01, 0.1, 0.3, 0.5, 0.9, 0.99):
                    values, chances = np.array([least, high]), np.array([1.0 - chance, chance])
                    mean = float(values @ chances)
                    if centres[0] <= mean <= centres[-1]:
                        money = np.exp(stake * (values - mean) - charge * (values - centre) ** 2) @ chances
                        tightest = max(tightest, float(money))
    assert 0.999 < tightest <= 1.0 + 1e-12


def test_bounds_of_a_known_sequence_are_these() -> None:
    values = np.tile([1.0, -0.5, 0.25, 1.5], 25)
    found = [lower_bound(values[:n], least=-2.0, centres=(-1.0, 1.0), alpha=0.025) for n in (1, 10, 50, 100)]
    assert found == pytest.approx(GOLDEN, abs=1e-6)
    assert first_above(values, 0.0, least=-2.0, centres=(-1.0, 1.0), alpha=0.025) == FIRST
    assert lower_bound(values[: FIRST - 1], least=-2.0, centres=(-1.0, 1.0), alpha=0.025) < 0.0


def test_less_may_go_wrong_and_more_variation_give_wider_bounds() -> None:
    values = np.random.default_rng(3).random(400)
    assert bound(values, alpha=0.001) < bound(values)
    assert bound(values, effect=3.0) < bound(values)
    assert bound(values, least=-5.0) < bound(values)


def test_a_bound_of_weighted_rewards_is_ever_wrong_in_few_runs() -> None:
    """Rewards that stand for fifty others each: the normal bound is wrong far more often."""
    wrong, normal = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = (rng.random(800) < 0.02) * 50.0 * (rng.random(800) < 0.4)
        wrong += any(bound(values[:count]) > 0.4 for count in PEEKS)
        lows = [values[:n].mean() - 1.645 * values[:n].std() / np.sqrt(n) for n in PEEKS]
        highs = [values[:n].mean() + 1.645 * values[:n].std() / np.sqrt(n) for n in PEEKS]
        normal += max(lows) > 0.4 or min(highs) < 0.4
    assert wrong <= 200 * ALPHA
    assert normal > 60


def test_the_average_of_means_that_change_is_bounded_too() -> None:
    wrong = 0
    means = np.where(np.arange(800) < 300, 0.8, 0.1)
    for seed in range(100):
        values = (np.random.default_rng(seed).random(800) < means).astype(np.float64)
        wrong += any(bound(values[:count]) > means[:count].mean() for count in PEEKS)
    assert wrong <= 5


def test_values_that_repeat_within_a_cluster_tell_less() -> None:
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(100), 10)
    alike = rng.standard_normal(100)[clusters]
    assert design_effect(alike, clusters) == pytest.approx(10.0, rel=0.05)
    assert design_effect(rng.standard_normal(1_000), clusters) == pytest.approx(1.0, abs=0.25)


def test_there_is_no_design_effect_below_1_nor_of_constants() -> None:
    assert design_effect(np.tile([0.0, 1.0], 50), np.repeat(np.arange(50), 2)) == 1.0
    assert design_effect(np.ones(5), np.arange(5)) == 1.0


def test_one_cluster_is_one_value_that_repeats_itself() -> None:
    assert design_effect(np.arange(5.0), np.zeros(5, dtype=np.intp)) == 5.0
