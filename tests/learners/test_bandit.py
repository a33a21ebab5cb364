import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.learners.bandit import explore, pick
from streams.learners.reward_model import Outlook

REWARDS = st.lists(st.floats(-1, 1), min_size=1, max_size=8)
GAMMAS = st.floats(0, 1e4)
FLOORS = st.floats(0, 1)


def inverse_gap(rewards: list[float], *, gamma: float, floor: float) -> list[float]:
    """Return each arm's probability by rewards that are certain."""
    arms, certain = [f"{number:02d}" for number in range(len(rewards))], np.zeros(len(rewards))
    outlook = Outlook(np.array(rewards), certain, evidence=0.0)
    return list(explore(arms, outlook, gamma=gamma, optimism=0.7, floor=floor).values())


@given(REWARDS, GAMMAS, FLOORS)
def test_probabilities_add_up_to_one_and_keep_the_floor(rewards: list[float], gamma: float, floor: float) -> None:
    probabilities = inverse_gap(rewards, gamma=gamma, floor=floor)
    assert len(probabilities) == len(rewards)
    assert sum(probabilities) == pytest.approx(1.0, abs=1e-12)
    assert min(probabilities) >= floor / len(rewards) - 1e-12


@given(REWARDS, GAMMAS, FLOORS)
def test_a_better_arm_is_never_less_likely(rewards: list[float], gamma: float, floor: float) -> None:
    pairs = list(zip(rewards, inverse_gap(rewards, gamma=gamma, floor=floor), strict=True))
    for worse, less in pairs:
        for better, more in pairs:
            assert better <= worse or more >= less - 1e-12


def test_the_weights_are_those_of_the_paper() -> None:
    first, second, third = inverse_gap([0.5, 0.3, 0.0], gamma=10.0, floor=0.0)
    assert second == pytest.approx(1 / (3 + 10 * 0.2))
    assert third == pytest.approx(1 / (3 + 10 * 0.5))
    assert first == pytest.approx(1 - 1 / 5 - 1 / 8)


def test_of_the_best_the_first_is_taken() -> None:
    assert inverse_gap([0.3, 0.5, 0.5], gamma=10.0, floor=0.0) == pytest.approx([1 / 5, 1 - 1 / 5 - 1 / 3, 1 / 3])


def test_without_an_arm_there_is_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="at least one eligible arm"):
        inverse_gap([], gamma=1.0, floor=0.1)


def test_the_doubt_about_an_arm_speaks_for_it_and_evidence_against_the_worse() -> None:
    given = {"gamma": 10.0, "optimism": 1.0, "floor": 0.1}
    probabilities = explore(("a", "b"), Outlook(np.array([0.5, 0.4]), np.array([0.0, 0.2]), evidence=3.0), **given)
    assert probabilities["b"] == pytest.approx(0.05 + 0.9 * (1 - 1 / (2 + 40.0 * 0.1)))
    means, certain = np.array([0.5, 0.4]), np.zeros(2)
    sure = [explore(("a", "b"), Outlook(means, certain, n), **given)["b"] for n in (0.0, 10.0, 1e9)]
    assert sure == sorted(sure, reverse=True)
    assert sure[-1] == pytest.approx(0.05)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), min_size=1), st.floats(0, 1, exclude_max=True))
def test_a_draw_falls_on_the_arm_whose_share_holds_it(rewards: dict[str, float], draw: float) -> None:
    probabilities = dict(zip(rewards, inverse_gap(list(rewards.values()), gamma=5.0, floor=0.05), strict=True))
    chosen = pick(probabilities, draw)
    below = sum(probabilities[name] for name in sorted(probabilities) if name < chosen)
    assert below - 1e-12 <= draw <= below + probabilities[chosen] + 1e-9


def test_a_draw_beyond_the_rounded_sum_never_takes_an_arm_without_probability() -> None:
    assert pick({"a": 0.3, "b": 0.7 - 1e-16, "c": 0.0}, 1.0 - 1e-17) == "b"
