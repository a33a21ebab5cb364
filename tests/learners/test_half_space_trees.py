import numpy as np
import pytest
from river import anomaly, checks
from river.checks import common

from streams.learners.half_space_trees import HalfSpaceTrees
from streams.learners.padded_trees import draw_trees


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("height", "window_size"), [(8, 250), (4, 37)])
def test_scores_equal_those_of_river_to_the_last_bit(seed, height, window_size):
    rng = np.random.default_rng(seed)
    rows = np.clip(rng.normal(0, 1.5, (600, 6)), -4, 4)
    names = [f"metric_{k}" for k in range(6)]
    river = anomaly.HalfSpaceTrees(
        height=height, window_size=window_size, limits=dict.fromkeys(names, (-4, 4)), seed=seed
    )
    ours = HalfSpaceTrees(height=height, window_size=window_size, limits=(-4, 4), seed=seed, features=names)
    expected = []
    for row in rows:
        sample = dict(zip(names, row.tolist(), strict=True))
        expected.append(river.score_one(sample))
        river.learn_one(sample)
    scores = []
    start = 0
    while start < len(rows):  # a step that ends at the pivot, as detect takes them
        stop = min(len(rows), start + min(ours.until_pivot, int(rng.integers(1, 90))))
        scores += ours.score_many(rows[start:stop]).tolist()
        ours.learn_many(rows[start:stop])
        start = stop
    assert scores == [float(score) for score in expected]
    assert max(scores) > 0.5


@pytest.mark.parametrize("seed", [0, 7, -7, 2**32 - 1, 2**32, 2**63 + 11, 2**70])
def test_trees_are_those_of_river_for_every_seed(seed):
    river = anomaly.HalfSpaceTrees(n_trees=3, height=5, limits=dict.fromkeys("abc", (-2.0, 3.0)), seed=seed)
    river.learn_one(dict.fromkeys("abc", 0.0))
    feature, threshold = draw_trees(3, n_trees=3, height=5, limits=(-2.0, 3.0), seed=seed)
    for tree, root in enumerate(river.trees):
        level = [(root, 0)]
        for node, k in level:  # grows while it is walked: breadth first
            if k < 2**5 - 1:
                assert (node.feature, node.threshold) == ("abc"[feature[tree, k]], threshold[tree, k])
                level += [(node.children[0], 2 * k + 1), (node.children[1], 2 * k + 2)]
        assert len(level) == feature.shape[1]


def test_one_row_and_many_rows_learn_and_score_alike():
    rows = np.random.default_rng(3).uniform(0, 1, (100, 3))
    one = HalfSpaceTrees(window_size=20, seed=5)
    many = HalfSpaceTrees(window_size=20, seed=5, features=["a", "b", "c"])
    for row in rows:
        one.learn_one(dict(zip("abc", row.tolist(), strict=True)))
    many.learn_many(rows)
    assert one.snapshot() == many.snapshot()
    assert one.score_one({"a": 0.99, "b": 0.01, "c": 0.99}) == many.score_many(np.array([[0.99, 0.01, 0.99]]))[0]


def test_an_absent_feature_counts_as_the_middle_of_its_limits():
    forest = HalfSpaceTrees(window_size=50, limits=(-4, 4), seed=1, features=["a", "b"])
    forest.learn_many(np.random.default_rng(0).normal(0, 1, (50, 2)))
    assert forest.score_one({"a": 3.0}) == forest.score_one({"a": 3.0, "b": 0.0})


def test_a_restored_forest_continues_alike():
    rows = np.random.default_rng(1).normal(0, 1, (130, 2))
    whole = HalfSpaceTrees(window_size=50, limits=(-4, 4), seed=2, features=["a", "b"])
    whole.learn_many(rows[:70])
    other = HalfSpaceTrees(window_size=50, limits=(-4, 4), seed=2)
    other.restore(whole.snapshot())
    for forest in (whole, other):
        forest.learn_many(rows[70:])
    assert whole.snapshot() == other.snapshot()
    assert whole.score_many(rows).tolist() == other.score_many(rows).tolist()


def rare_spikes(rows: int) -> list[tuple[dict[str, float], int]]:
    """River's own data set for anomaly detectors is a download; this is one of its kind."""
    rng = np.random.default_rng(8)
    labels = rng.random(rows) < 0.02
    samples = np.where(labels[:, None], rng.uniform(0, 1, (rows, 4)), rng.normal(0.5, 0.05, (rows, 4)))
    return [(dict(zip("abcd", x.tolist(), strict=True)), int(y)) for x, y in zip(samples, labels, strict=True)]


GENERAL = (
    "repr", "str", "tags", "clone_same_class", "clone_is_idempotent", "init_has_default_params_for_tests",
    "init_default_params_are_not_mutable", "doc", "clone_changes_memory_addresses", "mutate_can_be_idempotent",
    "pickling_supports_roundtrip", "repr_roundtrips_clone", "clone_with_new_params_applies",
    "get_params_matches_signature",
)  # fmt: skip
WITH_DATA = (
    "learn_one", "pickling", "shuffle_features_no_impact", "emerging_features", "disappearing_features",
    "radically_disappearing_features", "predict_one_pure", "predict_one_before_any_learn",
    "no_state_aliasing_with_input", "clone_is_independent", "seeding_is_idempotent",
)  # fmt: skip


@pytest.mark.parametrize("name", GENERAL)
def test_it_keeps_the_conventions_of_river(name):
    getattr(common, f"check_{name}")(HalfSpaceTrees(seed=42))


@pytest.mark.parametrize("name", WITH_DATA)
def test_it_keeps_the_conventions_of_river_when_it_learns(name):
    getattr(common, f"check_{name}")(HalfSpaceTrees(seed=42, window_size=50), dataset=rare_spikes(120))


def test_it_ranks_anomalies_above_normal_rows():
    checks.anomaly.check_roc_auc(HalfSpaceTrees(seed=42), dataset=rare_spikes(1_000))
