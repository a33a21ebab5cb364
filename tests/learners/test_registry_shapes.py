"""What the whole shape of an episode that is over changes in the registry."""

import numpy as np
import pytest

from streams.learners.match import Revision
from streams.learners.registry import PatternRegistry

QUIET = ("disk", "files", "queue", "traffic")
START = (8.0, 8.0, 8.0, 8.0)
FALLS = (*START, 0.0, 0.0, 0.0, 0.0)
LASTS = (*START, 8.0, 8.0, 8.0, 8.0)


def registry(**changes: float) -> PatternRegistry:
    defaults = {"discount": 0.5, "merge_evidence": 0.6, "limit": 20, "remembered_limit": 5}
    return PatternRegistry(**(defaults | changes))  # type: ignore[arg-type]


def series(rng: np.random.Generator, **levels: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
    windows = len(next(iter(levels.values())))
    every = dict.fromkeys(QUIET, (0.0,) * windows) | levels
    return {name: tuple((np.array(level) + 0.7 * rng.normal(size=windows)).tolist()) for name, level in every.items()}


def live(target: PatternRegistry, number: int, cpu: tuple[float, ...], **more: tuple[float, ...]) -> Revision | None:
    """Learn the first four windows of an episode, and then the whole of it."""
    whole = series(np.random.default_rng(number), cpu=cpu, **more)
    onset = {name: values[:4] for name, values in whole.items()}
    episode = f"episode-{number}"
    match = target.learn(onset, episode=episode, time_us=number)
    return target.revise(match.cluster.id, episode=episode, series=whole)


def test_of_one_onset_two_patterns_are_told_apart_when_they_are_over():
    target = registry()
    found = [live(target, number, LASTS if number % 2 else FALLS) for number in range(12)]
    ids = [revision.cluster.id for revision in found if revision is not None]
    assert len(ids) == 12
    assert (len(set(ids[::2])), len(set(ids[1::2]))) == (1, 1)
    assert ids[0] != ids[1]
    supports = [target.resolve(one).support for one in ids[:2]]  # type: ignore[union-attr]
    assert supports == [6, 6]


def test_what_is_counted_elsewhere_is_told_with_where_it_was():
    target = registry()
    first = live(target, 0, FALLS)
    own = live(target, 1, LASTS)
    assert first is not None
    assert own is not None
    assert (own.left, own.gone) == (first.cluster, None)  # a pattern of its own
    assert (own.cluster.split_from, own.cluster.episodes) == ("p-1", ["episode-1"])
    moved = live(target, 2, LASTS)
    assert moved is not None
    assert (moved.cluster, moved.left) == (own.cluster, first.cluster)
    assert moved.gone is not None
    assert (moved.gone.id, moved.gone.split_from, moved.gone.episodes) == ("p-3", "p-1", ["episode-2"])
    assert (first.cluster.support, own.cluster.support) == (1, 2)


def test_an_onset_that_seemed_new_joins_the_pattern_whose_whole_shape_it_has():
    target = registry()
    for number in range(6):
        live(target, number, LASTS)
    late = series(np.random.default_rng(9), cpu=LASTS)
    match = target.learn(series(np.random.default_rng(8), cpu=(-8.0,) * 4), episode="late", time_us=9)
    assert (match.cluster.id, match.cluster.support) == ("p-2", 1)
    revision = target.revise("p-2", episode="late", series=late)
    assert revision is not None
    assert [gone.id for gone in revision.merged] == ["p-2"]
    assert (revision.cluster.id, revision.cluster.support) == ("p-1", 7)
    assert target.resolve("p-2") is revision.cluster


@pytest.mark.parametrize("windows", [6, 8, 16, 24])
def test_how_long_it_took_does_not_matter(windows):
    target = registry()
    for number in range(4):
        live(target, number, LASTS, memory=(0.0,) * 4 + (7.0,) * 4)
    half = windows // 2
    revision = live(target, 9, (8.0,) * windows, memory=(0.0,) * half + (7.0,) * half)
    assert revision is not None
    assert revision.cluster.id == "p-1"


def test_a_shape_that_is_told_twice_or_of_an_unknown_episode_changes_nothing():
    target = registry()
    live(target, 0, LASTS)
    before = target.snapshot()
    whole = series(np.random.default_rng(0), cpu=FALLS)
    assert target.revise("p-1", episode="episode-0", series=whole) is None
    assert target.revise("p-1", episode="never seen", series=whole) is None
    assert target.revise("p-9", episode="episode-0", series=whole) is None
    assert target.snapshot() == before


def test_what_moves_takes_its_onset_with_it():
    """The template of what it leaves is as if it had never been there."""
    target, other = registry(), registry()
    for number in range(6):
        live(target, number, FALLS)
        live(other, number, FALLS)
    moved = live(target, 7, LASTS)
    assert moved is not None
    assert moved.left is not None
    left, alone = target.series_of(moved.left), other.series_of(moved.left)
    assert left == {name: pytest.approx(values) for name, values in alone.items()}


def test_no_occurrence_is_lost_or_counted_twice():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        target = registry(limit=64, merge_evidence=0.2)
        for number in range(60):
            start, end = rng.choice([-6.0, 0.0, 6.0], 2).tolist()
            live(target, 100 * seed + number, (7.0,) * 8, memory=(start,) * 3 + (end,) * 5)
            ids = {f"p-{one}" for one in range(1, 400)}
            known = {cluster.id: cluster for cluster in map(target.resolve, ids) if cluster is not None}
            assert sum(cluster.support for cluster in known.values()) == number + 1
            assert all(cluster.shapes == cluster.support for cluster in known.values())


def test_a_restored_registry_revises_alike():
    target, other = registry(), registry()
    for number in range(20):
        live(target, number, LASTS if number % 3 else FALLS)
    other.restore(target.snapshot())
    assert other.snapshot() == target.snapshot()
    for number in range(20, 30):
        assert live(other, number, FALLS) == live(target, number, FALLS)
    assert other.snapshot() == target.snapshot()


def test_patterns_of_which_whole_shapes_are_known_do_not_merge_by_their_onsets():
    """Merging is made eager enough that two with the same onset would become one."""
    target = registry(merge_evidence=0.05)
    for number in range(20):
        live(target, number, LASTS if number % 2 else FALLS)
    clusters = [target.resolve("p-1"), target.resolve("p-2")]
    assert [cluster.support for cluster in clusters if cluster is not None] == [10, 10]
