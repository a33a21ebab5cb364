"""How far the occurrences of two patterns are from each other, by their whole shapes."""

import pytest

from streams.learners.onset_model import OnsetModel
from streams.learners.telling_apart import evidence_of_two
from tests.learners.occurring import FIRST, SECOND, occurrences

MODEL = OnsetModel(noise=1.0, moving=0.4, reach=2)


@pytest.mark.parametrize("seed", range(5))
def test_two_kinds_are_told_apart_and_one_kind_is_not(seed):
    first, second = occurrences(FIRST, 6, seed=seed), occurrences(SECOND, 4, seed=seed + 100)
    assert evidence_of_two(first, second, 0, MODEL) > 3
    assert evidence_of_two(first, occurrences(FIRST, 4, seed=seed + 200), 0, MODEL) < 0.5


def test_which_of_the_two_comes_first_does_not_matter():
    first, second = occurrences(FIRST, 5, seed=1), occurrences(SECOND, 3, seed=2)
    assert evidence_of_two(first, second, 0, MODEL) == pytest.approx(evidence_of_two(second, first, 0, MODEL))


@pytest.mark.parametrize("begin", [2, 4, 6, 8])
def test_what_was_noticed_late_is_not_told_apart_from_the_whole(begin):
    whole, late = occurrences(FIRST, 6, seed=1), occurrences(FIRST, 4, seed=2, begin=begin)
    assert evidence_of_two(whole, late, 0, MODEL) < 1
    assert evidence_of_two(late, whole, 0, MODEL) < 1


def test_a_single_occurrence_is_never_told_apart():
    """Nothing else of its own foretells it."""
    assert evidence_of_two(occurrences(FIRST, 6, seed=1), occurrences(SECOND, 1, seed=2), 0, MODEL) <= 0


def test_occurrences_that_lie_further_on_the_other_template_are_held_against_it_there():
    first, second = occurrences(FIRST, 6, seed=1), occurrences(FIRST, 6, seed=2)
    ahead = [member.moved(0, -2) for member in second]
    assert evidence_of_two(ahead, first, 2, MODEL) == evidence_of_two(second, first, 0, MODEL)
