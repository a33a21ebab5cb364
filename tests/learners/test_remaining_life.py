import math

import numpy as np
import numpy.typing as npt
import pytest

from streams.learners.remaining_life import RemainingLife
from tests.learners.regressor_conventions import CONVENTIONS, check_convention


def wearing(lives: int = 6, length: int = 60, *, seed: int = 0) -> list[list[tuple[dict[str, float], float]]]:
    """Return rows of lives whose wear shows in one metric, beside one that is noise, and what remained of them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(lives):
        end = float(length + rng.integers(-20, 20))
        found.append(
            [
                (
                    {"age": age, "wear": 40.0 - math.sqrt(end - age) + 0.3 * rng.normal(), "noise": rng.normal()},
                    end - age,
                )
                for age in np.arange(1.0, end).tolist()
            ]
        )
    return found


def taught(*, lives: int = 6, **given: float) -> RemainingLife:
    model = RemainingLife(**given)  # type: ignore[arg-type]
    for life in wearing(lives):
        for x, y in life:
            model.learn_one(x, y, 1.0 / len(life))
    return model


def test_it_foretells_the_remaining_life_of_others() -> None:
    model = taught(penalty=0.1)
    (life,) = wearing(1, seed=9)
    errors = [abs(model.predict_one(x) - y) for x, y in life]
    assert np.mean(errors[-10:]) < 5.0
    assert np.mean(errors) < 0.35 * np.mean([y for _, y in life])


def test_one_at_a_time_and_many_at_once_are_the_same() -> None:
    one, many = RemainingLife(), RemainingLife()
    for life in wearing(3):
        for x, y in life:
            one.learn_one(x, y, 0.5)
        many.learn_many(np.array([many.row(x) for x, _ in life]), [y for _, y in life], 0.5)
    assert one.columns().spread == many.columns().spread
    rows = np.array([many.row(x) for x, _ in life])
    assert many.predict_many(rows).tolist() == [one.predict_one(x) for x, _ in life]


def test_without_a_life_it_says_what_one_says_that_never_saw_it() -> None:
    seen, unseen = RemainingLife(), RemainingLife()
    lives = wearing(5)
    kept: list[npt.NDArray[np.float64]] = []
    for number, life in enumerate(lives):
        ys = [y for _, y in life]
        seen.fade(0.9)
        kept.append(seen.learn_many(np.array([seen.row(x) for x, _ in life]), ys, 1.0 / len(life)))
        unseen.fade(0.9)
        if number != 2:
            unseen.learn_many(np.array([unseen.row(x) for x, _ in life]), ys, 1.0 / len(life))
    left_out = lives[2]
    said = seen.without(kept[2], np.array([y for _, y in left_out]), 0.9**2 / len(left_out))
    assert said == pytest.approx([unseen.predict_one(x) for x, _ in left_out], rel=1e-6)
    own = seen.predict_many(kept[2])
    assert np.abs(own - said).max() > 0.1


@pytest.mark.parametrize("known", [False, True])
def test_without_a_life_that_lacked_a_metric_it_says_what_one_says_that_never_saw_it(known: bool) -> None:
    """Whether another life under way had brought the metric by then (`known`), or it came up in mid-life. But for how
    far outliers are drawn in.
    """
    rng = np.random.default_rng(0)
    lives = wearing(4)
    for number, life in enumerate(lives):
        for place, (x, _) in enumerate(life):
            if number or (not known and place >= 20):
                x["pressure"] = 100.0 * x["wear"] + 50.0 * rng.normal()
    seen, unseen = RemainingLife(), RemainingLife()
    if known:
        seen.row(lives[1][0][0])
    kept = []
    for number, life in enumerate(lives):
        ys, rows = [y for _, y in life], [seen.row(x) for x, _ in life]
        wide = np.array([np.pad(row, (0, len(rows[-1]) - len(row)), constant_values=np.nan) for row in rows])
        kept.append(seen.learn_many(wide, ys, 1.0 / len(life)))
        if number:
            unseen.learn_many(np.array([unseen.row(x) for x, _ in life]), ys, 1.0 / len(life))
    said = seen.without(kept[0], np.array([y for _, y in lives[0]]), 1.0 / len(lives[0]))
    assert said == pytest.approx([unseen.predict_one(x) for x, _ in lives[0]], rel=1e-3)


def test_what_is_absent_or_broken_counts_as_the_mean() -> None:
    model = taught()
    known = model.predict_one({"age": 30.0, "wear": 35.0})
    for broken in (math.nan, math.inf, -math.inf):
        assert model.predict_one({"age": 30.0, "wear": 35.0, "noise": broken}) == known
    before = model.columns().spread
    model.learn_one({"age": 1.0}, math.nan)
    assert model.columns().spread == before
    model.learn_one({"age": math.nan, "wear": 1e300, "never seen": math.nan}, 5.0)
    assert math.isfinite(model.predict_one({"age": 1.0, "never seen": 3.0}))


def test_an_outlier_is_drawn_in() -> None:
    calm, hit = taught(), taught()
    calm.learn_one({"age": 30.0, "wear": 34.0, "noise": 0.0}, 30.0)
    hit.learn_one({"age": 30.0, "wear": 34.0, "noise": 1e9}, 30.0)
    (life,) = wearing(1, seed=9)
    assert [hit.predict_one(x) for x, _ in life] == pytest.approx(
        [calm.predict_one(x) for x, _ in life], rel=0.5, abs=3
    )


def test_what_faded_is_outweighed() -> None:
    model = RemainingLife(penalty=0.01)
    for y, kept in ((100.0, 0.01), (9.0, 1.0)):
        for _ in range(20):
            model.learn_one({"age": 1.0}, y)
        model.fade(kept)
    assert model.predict_one({"age": 1.0}) == pytest.approx(9.0, abs=0.8)


def test_features_beyond_the_limit_are_left_out() -> None:
    model = RemainingLife(features=2)
    model.learn_one({"a": 1.0, "b": 2.0, "c": 3.0}, 1.0)
    model.learn_one({"d": 1.0}, 1.0)
    assert model.names == ("a", "b")


def test_a_restored_model_continues_alike() -> None:
    model, other = taught(), RemainingLife()
    other.restore(model.columns())
    for x, y in wearing(1, seed=4)[0]:
        model.learn_one(x, y)
        other.learn_one(x, y)
    assert other.columns() == model.columns()


@pytest.mark.parametrize("name", CONVENTIONS)
def test_it_keeps_the_conventions_of_river(name: str) -> None:
    check_convention(name, RemainingLife())
