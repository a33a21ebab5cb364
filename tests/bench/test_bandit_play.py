from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from tests.bench.bandit_play import FLOOR, POLICY, Flyball, Game, Uniform, play
from tests.bench.drift import ARMS, AS_POLICY, CHANGES, DECISIONS, FEATURES, SETTLED, fixed, rows_of, world


class Counting:
    """Chooses how many decisions it has made, up to the last arm, and notes what it is told."""

    def __init__(self, told: list[list[float]]) -> None:
        self.told: list[float] = []
        told.append(self.told)

    def choose(self, row: np.ndarray, draw: float) -> int:  # noqa: ARG002, any
        return min(len(self.told), 2)

    def learn(self, reward: float) -> None:
        self.told.append(reward)


def game(length: int) -> Game:
    return Game(np.zeros((length, 1)), np.tile([0.0, 0.25, 1.0], (length, 1)), np.linspace(0.0, 0.99, length))


def test_the_mean_is_of_what_the_chosen_arms_earned_and_that_alone_is_told() -> None:
    told: list[list[float]] = []
    assert play(partial(Counting, told), game(5)) == pytest.approx(3.25 / 5)
    assert told == [[0.0, 0.25, 1.0, 1.0, 1.0]]


def test_at_a_restart_a_fresh_player_takes_over_before_it_decides() -> None:
    told: list[list[float]] = []
    assert play(partial(Counting, told), game(5), [3]) == pytest.approx(1.5 / 5)
    assert told == [[0.0, 0.25, 1.0], [0.0, 0.25]]


def test_rows_that_are_not_scored_are_learned_from_all_the_same() -> None:
    told: list[list[float]] = []
    assert play(partial(Counting, told), replace(game(5), unscored=1)) == pytest.approx(3.25 / 4)
    assert told == [[0.0, 0.25, 1.0, 1.0, 1.0]]


def test_any_arm_is_drawn_evenly() -> None:
    assert play(partial(Uniform, 3), game(300)) == pytest.approx(1.25 / 3, abs=0.01)


def test_the_player_is_the_policy_s_but_for_two_settings() -> None:
    assert POLICY.floor == FLOOR
    assert AS_POLICY.prior == POLICY.reward_prior
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((600, 4))
    rewards = (rows[:, :1] > 0.0) == np.array([[True, False]])
    for patterns in (0, 3):
        player = partial(Flyball, 4, 2, patterns=patterns)
        assert play(player, Game(rows, rewards.astype(float), rng.random(600))) > 0.85


@pytest.mark.parametrize("kind", ["linear", "plain"])
@pytest.mark.parametrize("changes", CHANGES)
def test_a_world_changes_all_arms_when_it_says_and_only_then(kind: str, changes: int) -> None:
    made, at, means = world(kind, changes, 3)
    assert made.rows.shape == (DECISIONS, FEATURES)
    assert made.rewards.shape == (DECISIONS, ARMS)
    assert set(np.unique(made.rewards)) == {0.0, 1.0}
    assert len(set(at)) == changes
    assert all(SETTLED <= one < DECISIONS - SETTLED for one in at)
    if kind == "plain":
        parts = [part.mean(axis=0) for part in np.split(made.rewards, at)]
        assert all(np.abs(one - other).max() > 0.1 for one, other in pairwise(parts))
    assert np.abs(made.rewards.mean(axis=0) - means.mean(axis=0)).max() < 0.05


def test_a_score_is_the_share_of_what_the_oracle_earns_above_any_arm() -> None:
    runs = [{"a": 0.6, "oracle": 0.8, "uniform": 0.4}, {"a": 0.8, "oracle": 0.8, "uniform": 0.4}]
    score, to_earn = rows_of("case", runs)
    assert (score.system, score.value) == ("a", pytest.approx(0.75))
    assert (to_earn.system, to_earn.value) == ("oracle", pytest.approx(0.4))


def test_one_forgetting_rate_is_the_policy_s_otherwise() -> None:
    made = fixed(0.98)
    assert {model.forgetting for model in made.models} == set(made.own_forgetting) == {0.98}
    assert (made.prior, made.features) == (AS_POLICY.prior, AS_POLICY.features)


def test_a_player_that_says_why_chooses_alike() -> None:
    rng = np.random.default_rng(2)
    made = Game(rng.standard_normal((40, 4)), rng.random((40, 3)), rng.random(40))
    plain, told = Flyball(4, 3, patterns=2), Flyball(4, 3, patterns=2, reasons=True)
    assert play(lambda: plain, made) == play(lambda: told, made)
    assert plain.why is None
    assert told.why is not None
    assert told.why.runner_up in told.arms
