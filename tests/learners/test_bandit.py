import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.learners.bandit import inverse_gap, pick

REWARDS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), min_size=1)
GAMMAS = st.floats(0, 1e4)
FLOORS = st.floats(0, 1)


@given(REWARDS, GAMMAS, FLOORS)
def test_probabilities_add_up_to_one_and_keep_the_floor(rewards: dict[str, float], gamma: float, floor: float) -> None:
    probabilities = inverse_gap(rewards, gamma=gamma, floor=floor)
    assert set(probabilities) == set(rewards)
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-12)
    assert min(probabilities.values()) >= floor / len(rewards) - 1e-12


@given(REWARDS, GAMMAS, FLOORS)
def test_a_better_arm_is_never_less_likely(rewards: dict[str, float], gamma: float, floor: float) -> None:
    probabilities = inverse_gap(rewards, gamma=gamma, floor=floor)
    for one, better in rewards.items():
        for other, worse in rewards.items():
            assert better <= worse or probabilities[one] >= probabilities[other] - 1e-12


def test_the_weights_are_those_of_the_paper() -> None:
    probabilities = inverse_gap({"a": 0.5, "b": 0.3, "c": 0.0}, gamma=10.0, floor=0.0)
    assert probabilities["b"] == pytest.approx(1 / (3 + 10 * 0.2))
    assert probabilities["c"] == pytest.approx(1 / (3 + 10 * 0.5))
    assert probabilities["a"] == pytest.approx(1 - 1 / 5 - 1 / 8)


def test_without_an_arm_there_is_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="at least one eligible arm"):
        inverse_gap({}, gamma=1.0, floor=0.1)


@given(REWARDS, st.floats(0, 1, exclude_max=True))
def test_a_draw_falls_on_the_arm_whose_share_holds_it(rewards: dict[str, float], draw: float) -> None:
    probabilities = inverse_gap(rewards, gamma=5.0, floor=0.05)
    chosen = pick(probabilities, draw)
    below = sum(probabilities[name] for name in sorted(probabilities) if name < chosen)
    assert below - 1e-12 <= draw <= below + probabilities[chosen] + 1e-9


def test_a_draw_beyond_the_rounded_sum_never_takes_an_arm_without_probability() -> None:
    assert pick({"a": 0.3, "b": 0.7 - 1e-16, "c": 0.0}, 1.0 - 1e-17) == "b"
