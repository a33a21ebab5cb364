import numpy as np

from streams.learners.registry import PatternRegistry
from streams.learners.signature import direction


def registry(**changes: float) -> PatternRegistry:
    defaults = {"radius": 0.16, "merge_radius": 0.08, "limit": 3, "remembered_limit": 5}
    return PatternRegistry(**(defaults | changes))  # type: ignore[arg-type]


def learn(target: PatternRegistry, time_us: int, **means: float):
    moments = {name: (mean, mean, 0.0) for name, mean in means.items()}
    return target.learn(direction(moments), moments, episode=f"episode-{time_us}", time_us=time_us)


def test_alike_onsets_share_an_id_and_others_get_their_own():
    target = registry()
    ids = [
        learn(target, time, **means).cluster.id
        for time, means in enumerate([{"cpu": 9}, {"memory": 9}, {"cpu": 7}, {"cpu": -9}, {"memory": 6, "cpu": 1}])
    ]
    assert ids == ["p-1", "p-2", "p-1", "p-3", "p-2"]


def test_a_pattern_that_lost_its_place_comes_back_under_its_own_id():
    target = registry()
    learn(target, 0, a=9)
    learn(target, 1, a=9)
    for time, name in enumerate("bcd", start=2):
        last = learn(target, time, **{name: 9})
    assert [cluster.id for cluster in last.faded] == ["p-2"]  # least support, then longest not seen
    again = learn(target, 9, b=9)
    assert (again.cluster.id, again.cluster.support, again.cluster.faded) == ("p-2", 2, False)


def test_an_id_is_never_used_twice_and_memory_is_bounded():
    target = registry()
    sizes, ids = [], []
    for time in range(400):
        ids.append(learn(target, time, **{f"metric-{time:03d}": 9}).cluster.id)
        sizes.append(len(target.snapshot()))
    assert len(set(ids)) == 400
    assert max(sizes[100:]) - min(sizes[100:]) < 100


def test_clusters_that_grow_together_become_one_and_the_other_its_alias():
    target = registry(radius=0.16, merge_radius=0.1)
    learn(target, 0, a=9)
    learn(target, 1, a=9, b=9)
    assert target.resolve("p-2").id == "p-2"
    match = None
    for time in range(2, 40):
        match = learn(target, time, a=9, b=3.0 + 0.02 * (40 - time) if time % 2 else 4.5)
        if match.merged:
            break
    assert match.merged
    keeps, gives = match.cluster.id, match.merged[0].id
    assert target.resolve(gives).id == keeps
    assert match.cluster.support == time + 1
    assert learn(target, 50, a=9, b=4).cluster.id == keeps


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


def random_means(rng: np.random.Generator) -> dict[str, float]:
    names = rng.choice(6, 2, replace=False).tolist()
    return {f"metric-{names[0]}": 9.0, f"metric-{names[1]}": float(rng.normal(0, 5))}


def test_a_restored_registry_continues_alike():
    rng = np.random.default_rng(1)
    target, other = registry(), registry()
    for time in range(40):
        learn(target, time, **random_means(rng))
    other.restore(target.snapshot())
    assert other.snapshot() == target.snapshot()
    for time in range(40, 60):
        means = random_means(rng)
        assert learn(other, time, **means) == learn(target, time, **means)
    assert other.snapshot() == target.snapshot()


def test_a_cluster_taken_in_while_it_merges_is_not_met_again():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        target = registry(limit=64, merge_radius=0.12)
        for time in range(60):
            support = sum(cluster.support for cluster in clusters_of(target))
            learn(target, time, **random_means(rng))
            assert sum(cluster.support for cluster in clusters_of(target)) == support + 1


def clusters_of(target: PatternRegistry):
    return [
        cluster for number in range(1, 80) if (cluster := target.resolve(f"p-{number}")) and cluster.id == f"p-{number}"
    ]
