import numpy as np
import pytest

from streams.learners.pattern_offsets import PatternOffsets

ROW = np.array([1.0, 0.5])
NOTHING = np.zeros((3, 2, 2))
"""Weights of three actions, two models and two numbers, that explain nothing."""


def offsets(**given: float) -> PatternOffsets:
    return PatternOffsets((1.0, 0.9), weight=given.get("weight", 1.0), limit=int(given.get("limit", 10)))


def learn(made: PatternOffsets, pattern: str, action: int, reward: float) -> None:
    made.tick(pattern)
    made.learn(pattern, action, ROW, reward, clock=made.clock(pattern), actions=3)


def test_an_offset_is_the_mean_of_what_the_features_leave_unexplained_drawn_to_nothing() -> None:
    made = offsets()
    for reward in (0.4, 0.8):
        learn(made, "p", 1, reward)
    own, counts = made.predict("p", NOTHING)
    assert own[1] == pytest.approx([1.2 / 3.0, (0.9 * 0.4 + 0.8) / 2.9])
    assert counts[1] == pytest.approx([2.0, 1.9])
    assert own[[0, 2]].tolist() == [[0.0, 0.0]] * 2
    explaining = NOTHING.copy()
    explaining[1] = [0.6, 0.0]
    assert made.predict("p", explaining)[0][1, 0] == pytest.approx(0.0)


def test_the_counts_of_one_action_are_those_of_all() -> None:
    made = offsets()
    for action in (0, 1, 1):
        learn(made, "p", action, 0.4)
    for pattern in ("p", "never"):
        counts = made.predict(pattern, np.zeros((4, 2, 2)))[1]
        assert [made.counts(pattern, action).tolist() for action in range(4)] == counts.tolist()


def test_patterns_have_nothing_to_do_with_each_other() -> None:
    made = offsets()
    learn(made, "p", 1, 0.4)
    learn(made, "q", 1, -0.4)
    before = made.predict("p", NOTHING)[0]
    for _ in range(50):
        learn(made, "q", 1, -0.4)
    assert made.predict("p", NOTHING)[0].tolist() == before.tolist()
    assert not made.predict("new", NOTHING)[0].any()


def test_the_more_was_seen_the_less_the_variance() -> None:
    shared, counts = np.array([[0.5]] * 4), np.array([[0.0], [1.0], [10.0], [1e6]])
    noisy, unknown = offsets().variances(shared, shared, counts)
    assert noisy[0] == pytest.approx(1.5)
    assert unknown[0] == pytest.approx(0.5)
    for variances in (noisy[:, 0].tolist(), unknown[:, 0].tolist()):
        assert variances == sorted(variances, reverse=True)
        assert variances[-1] < 1e-5


def test_the_pattern_decided_longest_ago_is_forgotten_beyond_the_limit() -> None:
    made = offsets(limit=2)
    learn(made, "p", 0, 1.0)
    learn(made, "q", 0, 1.0)
    made.tick("p")
    assert made.tick("r") == ["q"]
    assert not made.predict("q", NOTHING)[0].any()
    made.learn("q", 0, ROW, 1.0, clock=1, actions=3)
    assert not made.predict("q", NOTHING)[0].any()


def test_to_ask_about_more_actions_and_numbers_changes_nothing() -> None:
    made = offsets()
    learn(made, "p", 1, 0.4)
    before = made.columns()
    own, counts = made.predict("p", np.zeros((5, 2, 4)))
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
    assert copy.predict("p", NOTHING)[0].tolist() == made.predict("p", NOTHING)[0].tolist()
    assert [sums.sums for _, sums in copy.columns()] == [sums.sums for _, sums in made.columns()]
