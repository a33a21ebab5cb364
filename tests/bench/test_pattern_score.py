"""The benchmark's own arithmetic, on cases small enough to know the answer."""

import pytest

from tests.bench.pattern_score import Detected, grouping_scores, match, recall_third
from tests.bench.pattern_world import TrueEpisode


def true(entity: int, start: int, stop: int, pattern: int | None) -> TrueEpisode:
    return TrueEpisode(entity, start, stop, pattern, ())


def seen(entity: int, start: float, stop: float) -> Detected:
    return Detected(f"{entity}-{start}", entity, start, stop)


@pytest.mark.parametrize(
    ("detected", "found"),
    [
        ([seen(0, 10, 20)], 0),
        ([seen(0, 13, 23)], 0),
        ([seen(0, 17, 27)], None),  # overlap of 3 in a union of 17
        ([seen(1, 10, 20)], None),  # another entity
        ([seen(0, 4, 14), seen(0, 14, 20)], 1),  # the larger overlap counts
    ],
)
def test_a_true_episode_is_the_detected_one_that_it_overlaps_most(detected, found):
    assert match([true(0, 10, 20, 5)], detected).detected_of == (found,)


def test_what_is_missed_or_false_is_a_class_of_its_own():
    matching = match([true(0, 10, 20, 5), true(0, 40, 50, 5), true(1, 10, 20, None)], [seen(0, 10, 20), seen(2, 1, 9)])
    assert matching.truth == ("pattern 5", "false 1")
    assert matching.missed == ("pattern 5", "unrelated 2")
    assert (matching.found, matching.false) == (pytest.approx(1 / 3), 1)


def a_run(labels: list[str]) -> dict[str, float]:
    """Return the scores of labels for three of pattern 0, three of pattern 1 and one unrelated episode, all found."""
    patterns = [0, 0, 0, 1, 1, 1, None]
    episodes = [true(0, 20 * n, 20 * n + 9, pattern) for n, pattern in enumerate(patterns)]
    return grouping_scores(match(episodes, [seen(0, e.start, e.stop) for e in episodes]), labels)


def test_the_truth_itself_scores_one_and_every_episode_alone_scores_nothing():
    assert a_run(list("aaabbbc")) == {
        "ari": 1.0, "ari_found": 1.0, "purity": 1.0, "unrelated_named": 0.0, "named_patterns": 2.0,
    }  # fmt: skip
    assert a_run(list("abcdefg"))["ari"] == 0


def test_an_unrelated_episode_in_a_pattern_is_told():
    scores = a_run(list("aaabbbb"))
    assert scores["unrelated_named"] == 1
    assert scores["purity"] == pytest.approx(6 / 7)


def test_recognised_counts_from_the_third_time_on_and_before_the_end():
    episodes = [true(0, 20 * n, 20 * n + 9, 0) for n in range(5)]
    matching = match(episodes, [seen(0, e.start, e.stop) for e in episodes[:4]])
    in_time, late = ("p", 44.0), ("p", 70.0)
    assert recall_third(episodes, matching, ["p"] * 4, {2: in_time, 3: late}) == pytest.approx(1 / 3)
