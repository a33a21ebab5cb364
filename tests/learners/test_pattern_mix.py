import numpy as np
import pytest

from streams.learners.kernels.mixes import PRIOR_VARIANCE
from streams.learners.pattern_mix import PatternMix

SAID = np.array([[0.8, 0.3], [0.5, 0.1]])
"""What two models say of two actions."""
NOTHING = np.zeros((2, 2))
HALF_AND_WHOLE = np.array([[1.0, 1.0], [1e9, 1e9]])
"""How often two actions were seen: the first is foretold half by one mix, half by the other."""


def mix() -> PatternMix:
    return PatternMix(2, trust=4.0, fading=0.99, weight=1.0)


def taught() -> PatternMix:
    """Return a mix where by the features alone the first model was right, and with offsets the second."""
    made = mix()
    for clock in range(100):
        made.learn(np.array([[1.0, 0.0], [0.0, 1.0]]), 1.0, decided=clock, now=clock, weight=1.0)
    return made


def outlook(
    made: PatternMix, counts: np.ndarray | None, *, noisy: np.ndarray = NOTHING, unknown: np.ndarray = NOTHING
) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances of both actions, counted as seen so often on a pattern; None without one."""
    expected = (SAID,) if counts is None else (NOTHING, SAID)
    given = NOTHING if counts is None else counts
    means, spreads, _ = made.outlook(expected, noisy, unknown, given, places=np.arange(2), priors=np.zeros(2))
    return means, spreads**2


def test_on_a_new_pattern_that_model_counts_which_needs_no_offset() -> None:
    assert outlook(taught(), None)[0] == pytest.approx([0.8, 0.5])
    assert outlook(taught(), NOTHING)[0] == pytest.approx([0.8, 0.5])


def test_the_more_an_action_was_seen_on_a_pattern_the_more_counts_which_is_right_with_its_offset() -> None:
    assert outlook(taught(), HALF_AND_WHOLE)[0] == pytest.approx([(0.8 + 0.3) / 2.0, 0.1])


def test_the_variance_of_a_mean_is_that_of_the_models_by_their_shares() -> None:
    made = mix()
    made.learn(np.array([[0.5, 0.0]]), 1.0, decided=1, now=1, weight=1.0)
    alone = made.of(None)
    noisy, unknown = np.array([[0.4, 0.2], [0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.5]])
    expected = [alone.variance * (alone.shares @ noisy[0]), PRIOR_VARIANCE * (alone.shares @ unknown[1])]
    assert outlook(made, None, noisy=noisy, unknown=unknown)[1] == pytest.approx(expected)


def test_the_variance_is_of_the_models_that_the_mean_is_of() -> None:
    made = taught()
    alone, joint = (made.of(pattern).variance * (SAID @ made.of(pattern).shares) for pattern in (None, "p"))
    assert alone != pytest.approx(joint, rel=0.1)
    for counts in (None, NOTHING):
        assert outlook(made, counts, noisy=SAID)[1] == pytest.approx(alone)
    half, known = outlook(made, HALF_AND_WHOLE, noisy=SAID)[1]
    assert half == pytest.approx((alone[0] + joint[0]) / 2.0)
    assert known == pytest.approx(joint[1])


def test_only_the_actions_asked_about_count_each_as_often_as_the_trusted_models_saw_it() -> None:
    made, counts = taught(), np.array([[3.0, 5.0], [7.0, 11.0]])
    for expected, trusted in (((SAID,), 0), ((NOTHING, SAID), 1)):
        both, one = (
            made.outlook(expected, SAID, SAID, counts, places=np.array(places), priors=np.array(priors))
            for places, priors in (([1, 0], [0.0, 0.3]), ([1], [0.2]))
        )
        assert one[0] == pytest.approx(both[0][:1] + 0.2, rel=1e-12)
        assert one[1] == pytest.approx(both[1][:1], rel=1e-12)
        assert (one[2], both[2]) == pytest.approx((counts[1, trusted], counts[:, trusted].sum()), rel=1e-9)


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
    one, other = (outlook(each, np.ones((2, 2)), noisy=SAID) for each in (copy, made))
    assert [part.tolist() for part in one] == [part.tolist() for part in other]
