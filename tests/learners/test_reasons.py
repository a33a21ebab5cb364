from itertools import permutations

import numpy as np
import pytest

from streams.learners.reasons import Reasons
from streams.learners.reward_model import RewardModel
from streams.learners.reward_settings import RewardModelSettings

ACTIONS = ("a", "b", "c")
PRIORS = {"a": 0.6, "b": 0.45}
EARNS = {"a": (0.3, 0.0), "b": (0.0, 0.4), "c": (0.1, 0.1)}
"""By how much each action earns more with each of two features."""
OF_PATTERN: dict[str | None, dict[str, float]] = {"p": {"a": 0.4}, "q": {"b": 0.4}, None: {}}


def lived(*, decisions: int = 150, seed: int = 1) -> RewardModel:
    """Return a model that has seen `a` and `b` often, `c` on no pattern, and `b` on `rare` once."""
    model = RewardModel(RewardModelSettings(prior=0.7), PRIORS)
    draw = np.random.default_rng(seed)
    for number in range(decisions):
        load, heat = draw.uniform(-1.0, 1.0, 2).tolist()
        pattern = ("p", "q", None)[number % 3]
        action = "ab"[number % 2] if pattern else "abc"[int(draw.integers(3))]
        model.decide(f"{number}", {"load": load, "heat": heat}, actions=ACTIONS, pattern=pattern)
        reward = 0.3 + EARNS[action][0] * load + EARNS[action][1] * heat + OF_PATTERN[pattern].get(action, 0.0)
        model.learn(f"{number}", action, reward + float(draw.normal(0.0, 0.05)))
    model.decide("once", {"load": 0.1, "heat": 0.1}, actions=ACTIONS, pattern="rare")
    model.learn("once", "b", 0.9)
    return model


def total(reasons: Reasons) -> float:
    return sum(reasons.features.values()) + reasons.constant + reasons.pattern + reasons.priors


@pytest.mark.parametrize("pattern", ["p", "rare", "new", None])
def test_the_reasons_add_up_to_the_difference_of_the_means(pattern: str | None) -> None:
    """Of a pattern that is well known, known of one action only, new, and of none."""
    model = lived()
    outlook = model.decide("k", {"load": 0.7, "heat": -0.4, "unheard": 3.0}, actions=ACTIONS, pattern=pattern)
    means = dict(zip(ACTIONS, outlook.means.tolist(), strict=True))
    for one, other in permutations(ACTIONS, 2):
        reasons = model.reasons("k", one, other)
        assert total(reasons) == pytest.approx(means[one] - means[other], abs=1e-9)
        assert reasons.priors == pytest.approx(PRIORS.get(one, 0.7) - PRIORS.get(other, 0.7))
        assert model.reasons("k", other, one).features["load"] == pytest.approx(-reasons.features["load"])


def test_a_feature_speaks_for_the_action_that_earns_more_with_it() -> None:
    model = lived()
    model.decide("k", {"load": 0.9, "heat": 0.9}, actions=ACTIONS)
    reasons = model.reasons("k", "a", "b")
    assert reasons.features["load"] > 0.1
    assert reasons.features["heat"] < -0.1
    model.decide("k", {"load": -0.9}, actions=ACTIONS)
    reasons = model.reasons("k", "a", "b")
    assert reasons.features["load"] < -0.1
    assert reasons.features["heat"] == 0.0  # what is absent says nothing


def test_what_a_pattern_has_of_its_own_speaks_for_itself() -> None:
    model = lived()
    own = {}
    for pattern in ("p", "q", "new", None):
        model.decide("k", {"load": 0.0, "heat": 0.0}, actions=ACTIONS, pattern=pattern)
        own[pattern] = model.reasons("k", "a", "b").pattern
    assert own["p"] > 0.1
    assert own["q"] < -0.1
    assert own["new"] == own[None] == 0.0


def test_actions_take_the_places_of_others_and_have_reasons_all_the_same() -> None:
    model = RewardModel(RewardModelSettings(prior=0.7, actions=2), PRIORS)
    for number in range(30):
        names = (("a", "b"), ("b", "c"))[number // 15]
        outlook = model.decide(f"{number}", {"load": number % 5 / 5.0}, actions=names, pattern="p")
        first, second = outlook.means.tolist()
        assert total(model.reasons(f"{number}", *names)) == pytest.approx(first - second, abs=1e-9)
        model.learn(f"{number}", names[number % 2], 0.1 * (number % 7))


def test_asking_changes_nothing() -> None:
    model, other = lived(), lived()
    for each in (model, other):
        each.decide("k", {"load": 0.7}, actions=ACTIONS, pattern="p")
    model.reasons("k", "a", "c")
    assert model.snapshot() == other.snapshot()


@pytest.mark.parametrize("asked", [("other", "a", "b"), ("k", "d", "b"), ("k", "a", "d")])
def test_what_was_not_decided_has_no_reasons(asked: tuple[str, str, str]) -> None:
    model = lived()
    model.decide("k", {"load": 0.7}, actions=ACTIONS)
    with pytest.raises(ValueError, match="expected a decision just made and two of its actions"):
        model.reasons(*asked)
