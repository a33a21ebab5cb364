import numpy as np
import pytest

from streams.learners.pattern_mix import PatternMix

SAID = np.array([[0.8, 0.3], [0.5, 0.1]])
"""What two models say of two actions."""


def mix() -> PatternMix:
    return PatternMix(2, trust=4.0, fading=0.99, weight=1.0)


def taught() -> PatternMix:
    """Return a mix where by the features alone the first model was right, and with offsets the second."""
    made = mix()
    for clock in range(100):
        made.learn(np.array([[1.0, 0.0], [0.0, 1.0]]), 1.0, decided=clock, now=clock, weight=1.0)
    return made


def test_on_a_new_pattern_that_model_counts_which_needs_no_offset() -> None:
    assert taught().means(SAID, None) == pytest.approx([0.8, 0.5])
    assert taught().means(SAID, taught().known(np.zeros((2, 2)))) == pytest.approx([0.8, 0.5])


def test_the_more_an_action_was_seen_on_a_pattern_the_more_counts_which_is_right_with_its_offset() -> None:
    counts = np.array([[1.0, 1.0], [1e9, 1e9]])
    assert taught().means(SAID, taught().known(counts)) == pytest.approx([(0.8 + 0.3) / 2.0, 0.1])


def test_the_variance_is_of_the_models_that_the_mean_is_of() -> None:
    made, unknown = taught(), np.zeros((2, 2))
    alone, joint = made.of(None), made.of("p")
    assert alone.variances(SAID, unknown) != pytest.approx(joint.variances(SAID, unknown), rel=0.1)
    for counts in (None, np.zeros((2, 2))):
        assert made.variances(SAID, unknown, made.known(counts)) == pytest.approx(alone.variances(SAID, unknown))
    counts = np.array([[1.0, 1.0], [1e9, 1e9]])
    half, known = made.variances(SAID, unknown, made.known(counts))
    assert half == pytest.approx((alone.variances(SAID, unknown)[0] + joint.variances(SAID, unknown)[0]) / 2.0)
    assert known == pytest.approx(joint.variances(SAID, unknown)[1])


def test_decisions_without_a_pattern_tell_nothing_of_offsets() -> None:
    made = mix()
    for clock in range(100):
        made.learn(np.array([[1.0, 0.0]]), 1.0, decided=clock, now=clock, weight=1.0)
    assert made.of(None).shares[0] > 0.99
    assert made.of("p").shares == pytest.approx([0.5, 0.5])


def test_a_restored_mix_goes_on_alike() -> None:
    made, copy = taught(), mix()
    copy.restore(made.columns())
    for one in (made, copy):
        one.learn(np.array([[0.4, 0.3], [0.1, 0.2]]), 0.2, decided=101, now=103, weight=1.0)
    assert copy.columns() == made.columns()
    counts = np.ones((2, 2))
    one, other = (each.means(SAID, each.known(counts)).tolist() for each in (copy, made))
    assert one == other
