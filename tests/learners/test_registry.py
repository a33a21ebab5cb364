import numpy as np
import pytest

from streams.learners.cluster import Cluster
from streams.learners.registry import PatternRegistry

QUIET = ("disk", "files", "queue", "traffic")


def registry(**changes: float) -> PatternRegistry:
    defaults = {"discount": 0.5, "merge_evidence": 0.4, "limit": 3, "remembered_limit": 5}
    return PatternRegistry(**(defaults | changes))  # type: ignore[arg-type]


def learn(target: PatternRegistry, time_us: int, *, noise: np.random.Generator | None = None, **levels: object):
    """Learn an onset of four windows: metrics at a level or along a series, four others at their normal."""
    onset = {}
    for name in (*QUIET, *levels):
        height = np.broadcast_to(np.asarray(levels.get(name, 0.0), float), 4)
        onset[name] = tuple((height + (noise.normal(size=4) if noise is not None else 0.1)).tolist())
    return target.learn(onset, episode=f"episode-{time_us}", time_us=time_us)


def clusters_of(target: PatternRegistry, minted: int = 200) -> list[Cluster]:
    found = [target.resolve(f"p-{number}") for number in range(1, minted)]
    return list({cluster.id: cluster for cluster in found if cluster is not None}.values())


def test_alike_onsets_share_an_id_and_others_get_their_own():
    target = registry()
    onsets = [{"cpu": 9}, {"memory": 9}, {"cpu": 7}, {"cpu": -9}, {"memory": 6}, {"cpu": 9, "memory": 9}]
    ids = [learn(target, time, **means).cluster.id for time, means in enumerate(onsets)]
    assert ids == ["p-1", "p-2", "p-1", "p-3", "p-2", "p-4"]


def test_the_same_metrics_in_another_order_are_another_pattern():
    target = registry()
    first = {"cpu": (6, 6, 6, 6), "memory": (0, 0, 6, 6)}
    second = {"cpu": (0, 0, 6, 6), "memory": (6, 6, 6, 6)}
    rng = np.random.default_rng(3)
    ids = [learn(target, time, noise=rng, **(second if time % 2 else first)).cluster.id for time in range(12)]
    assert set(ids[::2]).isdisjoint(ids[1::2])


def test_an_onset_that_was_noticed_a_window_late_is_the_same_pattern():
    target = registry()
    whole = (5, 6, 7, 8, 7, 6, 5)
    early = [learn(target, time, cpu=whole[:4], memory=whole[:4]).cluster.id for time in range(3)]
    late = learn(target, 3, cpu=whole[1:5], memory=whole[1:5])
    assert {*early, late.cluster.id} == {"p-1"}


def test_how_new_an_onset_is_is_a_probability():
    target = registry()
    assert learn(target, 0, cpu=6, memory=6).novelty == 1
    likes = [learn(target, time, cpu=6, memory=6).novelty for time in range(1, 5)]
    assert likes == sorted(likes, reverse=True)
    assert likes[-1] < 0.01
    other = learn(target, 9, cpu=-6, memory=6)
    assert other.novelty > 0.99
    assert other.distance > 0.9


def test_a_pattern_that_lost_its_place_comes_back_under_its_own_id():
    target = registry()
    learn(target, 0, a=9)
    learn(target, 1, a=9)
    for time, name in enumerate("bcd", start=2):
        last = learn(target, time, **{name: 9})
    assert [cluster.id for cluster in last.faded] == ["p-2"]  # least support, then longest not seen
    again = learn(target, 9, b=9)
    assert (again.cluster.id, again.cluster.support, again.cluster.faded) == ("p-2", 2, False)
    assert target.series_of(target.resolve("p-3"))["c"] == [9.1] * 4  # faded in its turn, and still known


def test_an_id_is_never_used_twice_and_memory_is_bounded():
    target = registry()
    sizes, ids = [], []
    for time in range(400):
        ids.append(learn(target, time, **{f"metric-{time:03d}": 9}).cluster.id)
        sizes.append(len(target.snapshot()))
    assert len(set(ids)) == 400
    assert max(sizes[100:]) - min(sizes[100:]) < 300


def test_patterns_that_are_alike_become_one_and_the_other_its_alias():
    """Merging is made so eager that any two patterns that occurred twice are alike."""
    target = registry(merge_evidence=-50.0)
    matches = [learn(target, time, cpu=8, memory=8 if time % 2 else -8) for time in range(4)]
    assert [match.merged for match in matches[:3]] == [()] * 3
    assert [(match.id, match.support) for match in matches[3].merged] == [("p-2", 2)]
    assert target.resolve("p-2") is target.resolve("p-1") is matches[3].cluster
    assert matches[3].cluster.support == 4
    assert matches[3].cluster.episodes == ["episode-0", "episode-2", "episode-1", "episode-3"]


def test_a_pattern_that_holds_two_kinds_splits():
    """Merging is made so eager that two kinds become one pattern; its eighth occurrence shows that it is two."""
    target = registry(merge_evidence=-50.0, limit=20)
    matches = [learn(target, time, cpu=8, memory=8 if time % 2 else -8) for time in range(8)]
    assert not any(match.split for match in matches[:-1])
    pattern, parts = matches[-1].joined, matches[-1].split
    assert [(part.id, part.split_from) for part in parts] == [("p-4", "p-1")]
    assert (pattern.support, parts[0].support) == (4, 4)
    assert [*pattern.episodes, *parts[0].episodes] == [f"episode-{time}" for time in (0, 2, 4, 6, 1, 3, 5, 7)]
    assert {pattern.name, parts[0].name} == {"cpu up and memory up", "cpu up and memory down"}


@pytest.mark.parametrize(("kinds", "pattern"), [("01010101", "p-4"), ("01010110", "p-1")])
def test_an_onset_that_splits_a_pattern_is_of_the_part_that_holds_it(kinds, pattern):
    target = registry(merge_evidence=-50.0, limit=20)
    matches = [learn(target, time, cpu=8, memory=8 if kind == "1" else -8) for time, kind in enumerate(kinds)]
    assert [part.id for part in matches[-1].split] == ["p-4"]
    assert (matches[-1].cluster.id, matches[-1].joined.id) == (pattern, "p-1")
    assert "episode-7" in matches[-1].cluster.episodes


def test_neither_part_of_a_pattern_that_has_just_split_has_to_make_room():
    target = registry(merge_evidence=-50.0, limit=2)
    for time in range(7):
        learn(target, time, cpu=8, memory=8 if time % 2 else -8)
    for time in range(7, 16):
        other = learn(target, time, other=40, another=-40).cluster
    match = learn(target, 16, cpu=8, memory=8)
    assert len(match.split) == 1
    assert match.faded == (other,)  # the most frequent of the three, but not one that this onset is about
    assert not match.cluster.faded
    assert not match.joined.faded


def test_a_pattern_of_one_kind_never_splits():
    rng = np.random.default_rng(5)
    target = registry(limit=20)
    matches = [learn(target, time, noise=rng, cpu=6, memory=(0, 2, 4, 6)) for time in range(200)]
    assert not any(match.split for match in matches)
    assert {match.cluster.id for match in matches} == {"p-1"}


def test_a_pattern_is_named_by_what_moved():
    target = registry()
    assert learn(target, 0, memory=(8, 8, 8, 8), latency=(0, 1, 6, 9)).cluster.name == "memory up, then latency up"


def test_period_and_duration_are_medians_where_there_is_regularity():
    target = registry()
    for time in range(0, 700, 100):
        match = learn(target, time, a=9)
        match.cluster.learn_duration(f"episode-{time}", 30)
        match.cluster.learn_duration(f"episode-{time}", 999)  # told twice: the first counts
    assert match.cluster.period_us() == 100
    assert match.cluster.duration_us() == 30
    rng = np.random.default_rng(0)
    for time in np.cumsum(rng.exponential(100, 20)).astype(int).tolist():
        match = learn(target, time, b=9)
    assert match.cluster.period_us() is None


def random_levels(rng: np.random.Generator) -> dict[str, object]:
    names = rng.choice(6, 2, replace=False).tolist()
    return {f"metric-{names[0]}": 9.0, f"metric-{names[1]}": float(rng.normal(0, 5))}


def test_a_restored_registry_continues_alike():
    rng = np.random.default_rng(1)
    target, other = registry(), registry()
    for time in range(40):
        learn(target, time, **random_levels(rng))
    other.restore(target.snapshot())
    assert other.snapshot() == target.snapshot()
    for time in range(40, 60):
        levels = random_levels(rng)
        assert learn(other, time, **levels) == learn(target, time, **levels)
    assert other.snapshot() == target.snapshot()


def test_no_occurrence_is_lost_or_counted_twice():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        target = registry(limit=64, merge_evidence=0.2)
        for time in range(60):
            learn(target, time, **random_levels(rng))
            assert sum(cluster.support for cluster in clusters_of(target, 80)) == time + 1


def test_onsets_of_one_window_are_told_apart_too():
    target = registry()
    onsets = [{"cpu": (9.0,)}, {"cpu": (8.0,)}, {"cpu": (-9.0,)}, {"cpu": (9.5,)}]
    ids = [target.learn(onset, episode=str(time), time_us=time).cluster.id for time, onset in enumerate(onsets)]
    assert ids == ["p-1", "p-1", "p-2", "p-1"]


def test_what_is_neither_active_nor_remembered_has_no_series():
    target = registry(limit=1, remembered_limit=1)
    gone = learn(target, 0, a=9).cluster
    for time, name in enumerate("bc", start=1):
        learn(target, time, **{name: 9})
    assert target.resolve(gone.id) is None
    assert target.series_of(gone) == {}
