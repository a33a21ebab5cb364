import numpy as np
import pytest

from streams.learners.onset_model import OnsetModel

MODEL = OnsetModel(noise=1.0, moving=0.3, reach=3)
POSITIONS = 10
PATTERN = np.array([[6.0, 0, 0], [6, 0, 3], [6, 0, 6], [6, 0, 6]])


def template(*occurrences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums and counts of one template."""
    sums, counts = np.zeros((1, POSITIONS, 3)), np.zeros((1, POSITIONS))
    sums[0, 3:7] = sum(occurrences)
    counts[0, 3:7] = len(occurrences)
    return sums, counts


def score(series: np.ndarray, *occurrences: np.ndarray) -> float:
    return float(MODEL.scores(series, *template(*occurrences)).max())


@pytest.mark.parametrize(
    ("series", "alike"),
    [
        (PATTERN, True),
        (0.7 * PATTERN, True),  # less high
        (1.6 * PATTERN, True),
        (-PATTERN, False),  # the other way
        (PATTERN[:, [1, 0, 2]], False),  # another metric
        (PATTERN[:, [2, 1, 0]], False),  # the other one first
        (PATTERN * [1, 1, 0], False),  # one metric less
        (PATTERN + np.array([0, 6, 0]), False),  # one more
        (np.concatenate([PATTERN[1:], PATTERN[-1:]]), True),  # noticed a window later
    ],
)
def test_what_is_alike_is_likelier_than_something_unknown(series, alike):
    assert (score(series, PATTERN, PATTERN) > 3) == alike


THREE = np.array([[6.0, 4, 0], [6, 4, 5], [6, 4, 5], [6, 4, 5]])


@pytest.mark.parametrize(
    ("present", "alike"),
    [
        ([1, 1, 0], True),
        ([1, 0, 1], True),
        ([1, 0, 0], False),
    ],
)
def test_an_occurrence_may_lack_one_of_three_metrics(present, alike):
    assert (score(THREE * present, *[THREE] * 8) > 0) == alike


def test_an_occurrence_that_lacks_a_metric_is_less_likely_than_a_whole_one():
    assert score(THREE, *[THREE] * 8) > score(THREE * [1, 1, 0], *[THREE] * 8) + 2


def test_a_pattern_of_one_metric_cannot_lack_it():
    one = THREE * [1, 0, 0]
    assert score(0 * one, *[one] * 8) < -3


def test_the_shift_is_found():
    scores = MODEL.scores(PATTERN[1:], *template(PATTERN, PATTERN))
    assert scores.shape == (1, 7)
    assert scores.argmax() - MODEL.reach == 1


def test_windows_that_a_template_has_not_seen_say_nothing():
    scores = MODEL.scores(PATTERN, *template(PATTERN))
    assert np.isneginf(scores[0, [0, 6]]).all()  # one window in common is too few
    assert np.isfinite(scores[0, 1:6]).all()


def test_more_occurrences_make_a_template_surer():
    rng = np.random.default_rng(1)
    noisy = [PATTERN + rng.normal(size=PATTERN.shape) for _ in range(20)]
    assert score(PATTERN, *noisy) > score(PATTERN, noisy[0])


def test_noise_in_a_metric_that_stays_is_no_part_of_the_template():
    noise = np.zeros_like(PATTERN)
    noise[:, 1] = [1.0, -0.5, 0.8, 0.3]
    assert score(PATTERN, PATTERN + noise) == pytest.approx(score(PATTERN, PATTERN))


def test_the_unknown_is_the_likelier_the_less_it_moves():
    still, moving = np.zeros((4, 3)), np.full((4, 3), 6.0)
    assert MODEL.unknown(still)[0, 4] > MODEL.unknown(moving)[0, 4]
    assert MODEL.unknown(still).shape == (5, 5)
