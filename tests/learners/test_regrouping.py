"""When patterns become one by their whole shapes."""

import pytest

from streams.learners.cluster import Cluster, Member
from streams.learners.onset_model import OnsetModel
from streams.learners.patterns import Patterns
from streams.learners.regrouping import Regrouping
from tests.learners.occurring import FIRST, SECOND, occurrences


def regrouping(*, evidence: float) -> Regrouping:
    onsets, shapes = (OnsetModel(noise=1.0, moving=0.4, reach=reach) for reach in (3, 2))
    return Regrouping(Patterns(), onsets, shapes, evidence)


def add(patterns: Patterns, members: list[Member]) -> Cluster:
    cluster = patterns.at(patterns.found(0))
    for member in members:
        cluster.count(member)
    cluster.shapes = len(members)
    patterns.templates.rebuild(cluster)
    return cluster


@pytest.mark.parametrize("seed", range(5))
def test_near_twins_stay_two_however_alike_their_means(seed):
    """Merging is made so eager that the mean of any pattern is alike that of any other."""
    target = regrouping(evidence=-1_000.0)
    one = add(target.patterns, occurrences(FIRST, 4, seed=seed))
    add(target.patterns, occurrences(SECOND, 4, seed=seed + 100))
    assert target.merge_shapes(one, 4) == (one, ())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("begin", [0, 4])
def test_two_patterns_of_one_kind_become_one_though_one_was_noticed_late(seed, begin):
    target = regrouping(evidence=-1_000.0)
    one = add(target.patterns, occurrences(FIRST, 4, seed=seed))
    other = add(target.patterns, occurrences(FIRST, 2, seed=seed + 100, begin=begin))
    assert target.merge_shapes(one, 4) == (one, (other,))
    assert one.support == 6
