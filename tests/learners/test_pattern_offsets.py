import numpy as np
import pytest

from schemas.errors import RecoveryError
from streams.learners.pattern_offsets import PatternOffsets

ROW = np.array([1.0, 0.5])
NOTHING = np.zeros((3, 2, 2))
"""Weights of three actions, two models and two numbers, that explain nothing."""


def offsets(**given: float) -> PatternOffsets:
    return PatternOffsets((1.0, 0.9), weight=given.get("weight", 1.0), limit=int(given.get("limit", 10)))


def learn(made: PatternOffsets, pattern: str, action: int, reward: float) -> None:
    made.tick(pattern)
    made.learn(pattern, action, ROW, reward, clock=made.clock(pattern), actions=3)


def predict(made: PatternOffsets, pattern: str, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a pattern's offsets and counts."""
    return made.outlook(pattern, weights, *np.zeros((3, *weights.shape[:2])))


def test_an_offset_is_the_mean_of_what_the_features_leave_unexplained_drawn_to_nothing() -> None:
    made = offsets()
    for reward in (0.4, 0.8):
        learn(made, "p", 1, reward)
    own, counts = predict(made, "p", NOTHING)
    assert own[1] == pytest.approx([1.2 / 3.0, (0.9 * 0.4 + 0.8) / 2.9])
    assert counts[1] == pytest.approx([2.0, 1.9])
    assert own[[0, 2]].tolist() == [[0.0, 0.0]] * 2
    explaining = NOTHING.copy()
    explaining[1] = [0.6, 0.0]
    assert predict(made, "p", explaining)[0][1, 0] == pytest.approx(0.0)


def test_the_counts_of_one_action_are_those_of_all() -> None:
    made = offsets()
    for action in (0, 1, 1):
        learn(made, "p", action, 0.4)
    for pattern in ("p", "never"):
        counts = predict(made, pattern, NOTHING)[1]
        assert [made.counts(pattern, action).tolist() for action in range(3)] == counts.tolist()


def test_patterns_have_nothing_to_do_with_each_other() -> None:
    made = offsets()
    learn(made, "p", 1, 0.4)
    learn(made, "q", 1, -0.4)
    before = predict(made, "p", NOTHING)[0]
    for _ in range(50):
        learn(made, "q", 1, -0.4)
    assert predict(made, "p", NOTHING)[0].tolist() == before.tolist()
    assert not predict(made, "new", NOTHING)[0].any()


def test_the_more_was_seen_the_less_the_variance() -> None:
    made, shared, counts, found = offsets(), np.full((3, 2), 0.5), [0, 1, 10, 1_000], []
    for seen in range(1_001):
        if seen in counts:
            noisy, unknown = shared.copy(), shared.copy()
            made.outlook("p", NOTHING, shared, noisy, unknown)
            found.append((noisy[1, 0], unknown[1, 0]))
        learn(made, "p", 1, 0.4)
    assert found[0] == pytest.approx((1.5, 0.5))
    assert found[1] == pytest.approx((0.25 * 0.5 + 0.5, 0.25 * 0.5))
    for variances in zip(*found, strict=True):
        assert list(variances) == sorted(variances, reverse=True)
        assert variances[-1] < 2e-3


def test_the_offset_comes_on_top_of_what_the_features_say_and_leaves_that_as_it_was() -> None:
    made, said = offsets(), np.full((3, 2), 0.5)
    learn(made, "p", 1, 0.4)
    own = made.outlook("p", NOTHING, said, said.copy(), said.copy())[0]
    assert own.tolist() == [[0.5, 0.5], [0.7, 0.7], [0.5, 0.5]]
    assert said.tolist() == [[0.5, 0.5]] * 3


def test_the_pattern_decided_longest_ago_is_forgotten_beyond_the_limit() -> None:
    made = offsets(limit=2)
    learn(made, "p", 0, 1.0)
    learn(made, "q", 0, 1.0)
    made.tick("p")
    assert made.tick("r") == ["q"]
    assert not predict(made, "q", NOTHING)[0].any()
    made.learn("q", 0, ROW, 1.0, clock=1, actions=3)
    assert not predict(made, "q", NOTHING)[0].any()


def test_to_ask_about_more_actions_and_numbers_changes_nothing() -> None:
    made = offsets()
    learn(made, "p", 1, 0.4)
    before = made.columns()
    own, counts = predict(made, "p", np.zeros((5, 2, 4)))
    assert own.shape == counts.shape == (5, 2)
    assert own[1] == pytest.approx([0.2, 0.2])
    assert made.columns() == before


def test_a_restored_state_goes_on_to_the_last_bit() -> None:
    made, copy = offsets(), offsets()
    for number in range(20):
        learn(made, "pq"[number % 2], number % 3, number / 7)
    copy.restore(made.columns())
    for one in (made, copy):
        learn(one, "p", 2, 0.3)
    assert predict(copy, "p", NOTHING)[0].tolist() == predict(made, "p", NOTHING)[0].tolist()
    assert [sums.sums for _, sums in copy.columns()] == [sums.sums for _, sums in made.columns()]


@pytest.mark.parametrize("forgetting", [(1.0,), (1.0, 0.9, 0.8)])
def test_what_was_summed_at_other_rates_is_refused(forgetting: tuple[float, ...]) -> None:
    other = PatternOffsets(forgetting, weight=1.0, limit=10)
    learn(other, "p", 1, 0.5)
    with pytest.raises(RecoveryError, match=r"sums of p must have shape \(actions, 2, "):
        offsets().restore(other.columns())
