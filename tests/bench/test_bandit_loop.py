import numpy as np
import pytest

from schemas.events import NONE
from tests.bench.bandit_loop import arms_of, draws_of, played, settings_of
from tests.bench.bandit_play import FLOOR, POLICY, Flyball, Game


def game(rows: int, arms: int = 3) -> Game:
    """Return rows in which the larger of the features tells the arm."""
    values = np.random.default_rng(1).normal(50.0, 9.0, (rows, arms))
    rewards = (values == values.max(axis=1, keepdims=True)).astype(np.float64)
    return Game(values, rewards, np.zeros(rows))


def test_the_settings_are_those_of_the_player() -> None:
    made = settings_of(game(1))
    assert (made.policy.floor, made.policy.reward_prior) == (FLOOR, POLICY.reward_prior)
    assert (made.policy.gamma, made.policy.optimism) == (POLICY.gamma, POLICY.optimism)
    assert {action.cost for action in made.actions.values()} == {0.0}
    assert [NONE, *made.actions] == arms_of(game(1))


def test_the_product_learns_through_the_loop_what_the_player_learns() -> None:
    made = game(400)
    ran = played(made)
    player = Flyball(3, 3)
    alone = []
    for row, rewards, draw in zip(made.rows, made.rewards, draws_of(settings_of(made), len(ran)), strict=True):
        alone.append(player.choose(row, float(draw)))
        player.learn(float(rewards[alone[-1]]))
    late = np.arange(200, 400)
    right, right_alone = (float(made.rewards[late, np.array(arms)[late]].mean()) for arms in (ran, alone))
    assert set(ran) == {0, 1, 2}
    assert right > 0.85
    assert right == pytest.approx(right_alone, abs=0.05)
    assert np.mean(np.array(ran)[late] == np.array(alone)[late]) > 0.85


def test_what_nothing_teaches_stays_a_guess() -> None:
    made = game(150)
    shuffled = Game(made.rows, np.random.default_rng(2).permutation(made.rewards), made.draws)
    ran = played(shuffled)
    assert 0.2 < float(shuffled.rewards[np.arange(150), ran].mean()) < 0.5
