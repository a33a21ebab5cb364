"""Held against the closed form: weights that minimise the faded squared errors plus the penalty."""

import numpy as np
import pytest

from schemas.errors import RecoveryError
from streams.learners.kernels.ridges import FADE
from streams.learners.ridge_bank import Ridge, RidgeBank

MODELS = (Ridge(penalty=0.5), Ridge(penalty=5.0), Ridge(penalty=2.0, forgetting=0.93))
ACTIONS, WIDTH = 3, 4


def bank(width: int = WIDTH) -> RidgeBank:
    made = RidgeBank(MODELS)
    made.grow(actions=ACTIONS, width=width)
    return made


def story(length: int, seed: int = 0, width: int = WIDTH) -> list[tuple[int, np.ndarray, float]]:
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 1, (length, width))
    rows[:, 0] = 1.0
    return [(int(rng.integers(ACTIONS)), row, float(rng.normal())) for row in rows]


def closed_form(told: list[tuple[int, np.ndarray, float]], model: Ridge, action: int) -> tuple[np.ndarray, np.ndarray]:
    every = round(np.log(FADE) / np.log(model.forgetting)) if model.forgetting < 1.0 else len(told) + 1
    width = len(told[0][1])
    squares, moments = model.penalty * np.eye(width), np.zeros(width)
    for clock, (one, row, reward) in enumerate(told, 1):
        if one == action:
            kept = FADE ** (len(told) // every - clock // every)
            squares += kept * np.outer(row, row)
            moments += kept * reward * row
    covariance = np.linalg.inv(squares)
    return covariance @ moments, covariance


@pytest.mark.parametrize("width", [1, 4, 7, 8, 9, 13, 16, 22])
def test_it_solves_every_ridge_regression_with_what_has_not_faded(width: int) -> None:
    told, made = story(200, width=width), bank(width)
    for clock, (action, row, reward) in enumerate(told, 1):
        made.tick()
        made.learn(action, row, reward, clock=clock)
    probe = story(1, seed=1, width=width)[0][1]
    for number, model in enumerate(MODELS):
        for action in range(ACTIONS):
            weights, covariance = closed_form(told, model, action)
            said, noisy, unknown = (part[action, number] for part in made.outlook(probe))
            assert said == pytest.approx(weights @ probe, rel=1e-9)
            left = model.penalty * np.sum((covariance @ probe) ** 2)
            assert noisy == pytest.approx(probe @ covariance @ probe - left, rel=1e-9)
            assert unknown == pytest.approx(left / max(1.0, probe @ probe / model.penalty), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_outcomes_come_late_does_not_matter(seed: int) -> None:
    told, order = story(120), np.random.default_rng(seed).permutation(120)
    made, late = bank(), bank()
    for clock, (action, row, reward) in enumerate(told, 1):
        made.tick()
        late.tick()
        made.learn(action, row, reward, clock=clock)
    for number in order.tolist():
        action, row, reward = told[number]
        late.learn(action, row, reward, clock=number + 1)
    np.testing.assert_allclose(late.weights, made.weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(late.counts, made.counts, rtol=1e-9)


def test_what_is_taken_out_again_leaves_what_the_others_taught() -> None:
    told, made, without = story(120), bank(), bank()
    for clock, (action, row, reward) in enumerate(told, 1):
        for one in (made, without):
            one.tick()
        made.learn(action, row, reward, clock=clock)
        if clock != 40:
            without.learn(action, row, reward, clock=clock)
    action, row, reward = told[39]
    made.learn(action, row, reward, clock=40, weight=-1.0)
    np.testing.assert_allclose(made.weights, without.weights, rtol=1e-9, atol=1e-12)


def test_what_is_not_tried_returns_to_nothing_known() -> None:
    made, probe = bank(), np.array([1.0, 0.5, 0.0, 0.0])
    for clock in range(1, 31):
        made.tick()
        made.learn(0, probe, 1.0, clock=clock)
    for _ in range(500):
        made.tick()
    said, noisy, unknown = (part[0] for part in made.outlook(probe))
    assert said[0] > 0.9
    assert abs(said[2]) < 1e-6
    assert noisy[2] == pytest.approx(0.0, abs=1e-6)
    assert unknown[2] == pytest.approx(1.25 / 2.0)
    assert unknown[0] < 1e-3


def test_the_place_of_an_action_is_given_away_without_a_trace() -> None:
    made, probe = bank(), np.array([1.0, 0.5, 0.0, 0.0])
    for clock in range(1, 31):
        made.tick()
        made.learn(clock % 2, probe, 1.0, clock=clock)
    made.clear(0)
    assert made.counts[0].tolist() == [0.0] * len(MODELS)
    assert made.counts[1, 0] == 15.0
    said, noisy, unknown = (part[0] for part in made.outlook(probe))
    assert said.tolist() == [0.0] * len(MODELS)
    assert noisy == pytest.approx(0.0, abs=1e-12)
    assert unknown == pytest.approx([1.0, 1.25 / 5.0, 1.25 / 2.0])


def test_new_actions_and_features_start_from_the_penalty_and_change_nothing_else() -> None:
    told, made = story(50), bank()
    for clock, (action, row, reward) in enumerate(told, 1):
        made.tick()
        made.learn(action, row, reward, clock=clock)
    probe = np.array([1.0, 0.3, -0.7, 0.2])
    before, before_counts = made.outlook(probe)[0], made.counts.sum(axis=1).tolist()
    made.grow(actions=ACTIONS + 1, width=WIDTH + 1)
    after = made.outlook(np.append(probe, 0.0))[0]
    np.testing.assert_allclose(after[:ACTIONS], before, rtol=1e-12)
    assert after[ACTIONS].tolist() == [0.0] * len(MODELS)
    alone = np.array([0.0] * WIDTH + [1.0])
    _, noisy, unknown = made.outlook(alone)
    assert noisy == pytest.approx(0.0, abs=1e-12)
    assert unknown == pytest.approx(np.tile([1.0, 1.0 / 5.0, 1.0 / 2.0], (ACTIONS + 1, 1)))
    assert made.counts.sum(axis=1).tolist() == [*before_counts, 0.0]


def test_long_lives_stay_well_conditioned() -> None:
    made, rng = bank(), np.random.default_rng(4)
    direction = np.array([1.0, 0.9, -0.9, 0.9])
    for clock in range(1, 5_001):  # hardly any news in most directions
        made.tick()
        made.learn(0, direction + 1e-6 * rng.standard_normal(WIDTH), 0.5, clock=clock)
    assert np.isfinite(made.weights).all()
    assert made.outlook(direction)[0][0] == pytest.approx([0.5] * 3, abs=0.05)
    for _ in range(20):
        _, noisy, unknown = made.outlook(rng.standard_normal(WIDTH))
        assert noisy.min() >= -1e-9
        assert unknown.min() >= 0.0
        assert unknown.max() <= 1.0 + 1e-9


def test_what_other_models_left_is_refused() -> None:
    other = RidgeBank(MODELS[:2])
    other.grow(actions=ACTIONS, width=WIDTH)
    with pytest.raises(RecoveryError, match="must be of 3 models, got 6 counts of 3 actions"):
        bank().restore(other.columns())
