import math

import numpy as np
import pytest

from streams.learners.feature_scale import FeatureScale
from streams.learners.kernels.scales import EVERY, KNOWN, SETTLED, SQUASH


def fed(rows: list[dict[str, float]], limit: int = 10, first: tuple[str, ...] = ()) -> FeatureScale:
    scale = FeatureScale(limit=limit, first=first)
    for x in rows:
        scale.learn_row(scale.take_in(x))
    return scale


def test_a_row_is_the_constant_and_the_distance_from_the_mean_in_deviations_squashed() -> None:
    values = np.random.default_rng(1).normal(50.0, 4.0, SETTLED)
    scale = fed([{"load": value} for value in values.tolist()])
    one, row = scale.row(scale.raw({"load": 53.0}))
    assert one == 1.0
    assert row == pytest.approx(math.tanh((53.0 - values.mean()) / (SQUASH * values.std())))


def test_what_is_absent_not_a_number_or_constant_tells_nothing() -> None:
    rows = [{"a": float(n % 7), "b": 3.0} for n in range(50)]
    scale = fed([*rows, {"a": math.nan, "b": math.inf}, {}])
    assert scale.row(scale.raw({"a": math.nan, "b": 3.0})).tolist() == [1.0, 0.0, 0.0]
    assert scale.row(scale.raw({})).tolist() == [1.0, 0.0, 0.0]
    assert scale.row(scale.raw({"a": 3.0})) == pytest.approx(fed(rows).row(np.array([1.0, 3.0, 3.0])))


def test_values_however_large_break_nothing() -> None:
    scale = fed([{"a": 1.0}, {"a": 1e308}, {"a": -1e308}, {"a": 2.0}])
    assert np.isfinite(scale.row(scale.raw({"a": 1e308}))).all()


def test_columns_come_by_first_appearance_and_then_by_name_up_to_the_limit() -> None:
    scale = fed([{"b": 1.0, "a": 2.0}, {"d": 0.0, "c": 1.0}], limit=3)
    assert scale.names == ("a", "b", "c")
    assert scale.row(scale.raw({"d": 1e9, "c": 1.0})).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_what_is_taken_in_is_what_raw_returns_whatever_came_before() -> None:
    scale, plain = FeatureScale(limit=3, first=("b",)), FeatureScale(limit=3, first=("b",))
    told: list[dict[str, float]] = [{}, {"b": 1.0}, {"b": 2.0, "a": 3.0}, {"b": 4.0, "a": 5.0}, {"a": 6.0, "b": 7.0}]
    told += [{"a": 8.0}, {"c": 1.0, "b": 2.0, "a": 3.0, "d": 4.0}, {"c": 5.0, "b": 6.0, "a": 7.0, "d": 8.0}, {}]
    for x in told:
        plain.grow(x)
        assert str(scale.take_in(x)) == str(plain.raw(x))
    assert scale.names == ("b", "a", "c")


def test_what_is_taken_in_after_a_restore_has_the_columns_that_were_restored() -> None:
    scale, x = FeatureScale(limit=9), {"a": 1.0, "b": 2.0}
    assert scale.take_in(x).tolist() == [1.0, 1.0, 2.0]
    scale.restore(FeatureScale(limit=9, first=("b", "a")).columns())
    assert scale.take_in(x).tolist() == [1.0, 2.0, 1.0]


def test_the_first_ones_have_their_columns_before_all_others() -> None:
    many = {f"mean:{number:02d}": 1.0 for number in range(40)}
    scale = fed([many, many | {"severity": 0.5, "trend": 0.1}], limit=32, first=("severity", "trend"))
    assert scale.names[:3] == ("severity", "trend", "mean:00")
    assert len(scale.names) == 32


def test_a_restored_scale_of_more_columns_than_the_limit_takes_in_none() -> None:
    wide, narrow = fed([{"a": 1.0, "b": 2.0, "c": 3.0}]), FeatureScale(limit=2)
    narrow.restore(wide.columns())
    narrow.grow({"d": 1.0, "e": 1.0, "f": 1.0})
    assert narrow.names == ("a", "b", "c")


def test_once_settled_one_of_some_rows_is_learned() -> None:
    rows = 8_000
    scale = fed([{"a": math.sin(n)} for n in range(rows)])
    counted = np.frombuffer(scale.columns().counts)[1]
    assert counted == pytest.approx(SETTLED + (rows - SETTLED) / EVERY, rel=0.1)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_rows_of_kinds_that_take_turns_are_learned_alike(period: int) -> None:
    scale = fed([{"a": float(number % period == 0)} for number in range(20_000)])
    low, high = (math.atanh(scale.row(scale.raw({"a": value}))[1]) for value in (0.0, 1.0))
    assert -low / (high - low) == pytest.approx(1.0 / period, abs=0.03)  # the mean


@pytest.mark.parametrize("seen", [KNOWN, 3 * SETTLED])
def test_one_absurd_value_does_not_flatten_what_comes_after_it(seen: int) -> None:
    plain = [{"a": math.sin(n), "b": 0.0} for n in range(seen)]
    after = [{"a": math.sin(n), "b": float(n % 2)} for n in range(200)]
    scale = fed([*plain, {"a": 1e12, "b": 1e12}, *after])
    for name in "ab":
        low, high = (float(abs(scale.row(scale.raw({name: value}))).sum()) for value in (0.0, 1.0))
        assert abs(high - low) > 0.02


def test_what_finds_no_column_leaves_a_settled_scale_settled() -> None:
    rows = [{"a": math.sin(n)} for n in range(2 * SETTLED)]
    known, more = fed(rows, limit=1), fed([x | {f"b{n}": 1.0} for n, x in enumerate(rows)], limit=1)
    assert more.columns() == known.columns()


def test_a_scale_that_drifts_is_followed_when_it_has_settled_too() -> None:
    rng = np.random.default_rng(2)
    early, late = rng.normal(0.0, 1.0, 3_000), rng.normal(10.0, 1.0, 30_000)
    scale = fed([{"a": value} for value in [*early.tolist(), *late.tolist()]])
    assert abs(scale.row(scale.raw({"a": 10.0}))[1]) < 0.3


def test_many_rows_are_scaled_like_one() -> None:
    rows = np.random.default_rng(3).normal(0.0, 2.0, (20, 3))
    rows[4, 1] = math.nan
    scale = fed([dict(zip("abc", row.tolist(), strict=True)) for row in rows])
    expected = [scale.row(np.array([1.0, *row])).tolist() for row in rows]
    assert scale.rows(rows).tolist() == expected


def test_a_restored_scale_goes_on_to_the_last_bit() -> None:
    rows = [{"a": math.sin(n), "b": n**0.5} for n in range(3 * SETTLED)]
    whole, copy = fed(rows[:SETTLED]), FeatureScale(limit=10)
    copy.restore(whole.columns())
    for x in rows[SETTLED:]:
        assert copy.learn_row(copy.raw(x)).tolist() == whole.learn_row(whole.raw(x)).tolist()
    assert copy.columns().means == whole.columns().means


def test_a_declared_scale_is_the_same_from_the_first_row_on() -> None:
    """A time of the day that moves slowly is no clock that begins at what was seen first."""
    scale, learned = FeatureScale(limit=9, declared=("day",)), FeatureScale(limit=9)
    hours = [math.sin(2.0 * math.pi * minute / 1440.0) for minute in range(120)]
    for made in (scale, learned):
        rows = np.array([made.learn_row(made.take_in({"day": hour, "x": hour}))[1:] for hour in hours])
        assert np.abs(rows[-1, 1]) > 0.6  # what is learned of x: a sixth of its range was seen
    assert np.abs(learned.row(learned.raw({"day": 0.5}))[1]) > 0.6
    for value in (-1.0, -0.25, 0.0, 1.0):
        assert scale.row(scale.raw({"day": value}))[1] == pytest.approx(math.tanh(value / math.sqrt(2.0)))
    assert scale.row(scale.raw({}))[1] == 0.0


def test_what_is_declared_is_as_usual_as_what_was_learned_of_whole_days() -> None:
    scale, learned = FeatureScale(limit=9, declared=("day",)), FeatureScale(limit=9)
    for minute in range(0, 3 * 1440, 7):
        for made in (scale, learned):
            made.learn_row(made.take_in({"day": math.sin(2.0 * math.pi * minute / 1440.0)}))
    for value in (-1.0, 0.3, 1.0):
        assert learned.row(learned.raw({"day": value}))[1] == pytest.approx(
            scale.row(scale.raw({"day": value}))[1], abs=0.03
        )


def test_what_is_declared_stays_so_in_a_restored_scale() -> None:
    scale, learned = FeatureScale(limit=9, declared=("day",)), FeatureScale(limit=9)
    for number in range(50):
        learned.learn_row(learned.take_in({"day": 0.9 + number / 1000.0, "x": 1.0}))
    scale.restore(learned.columns())
    fresh = FeatureScale(limit=9, declared=("day",))
    fresh.grow(("day",))
    assert scale.row(scale.raw({"day": 0.5}))[1] == fresh.row(fresh.raw({"day": 0.5}))[1]


def test_what_is_faint_counts_less_wherever_it_is_scaled_and_after_a_restore() -> None:
    scale = FeatureScale(limit=9, faint="value:", weight=0.25)
    for value in np.random.default_rng(1).normal(50.0, 4.0, 100).tolist():
        scale.learn_row(scale.take_in({"load": value, "value:load": value}))
    other = FeatureScale(limit=9, faint="value:", weight=0.25)
    other.restore(scale.columns())
    raw = scale.raw({"load": 58.0, "value:load": 58.0})
    for one, load, value in (scale.row(raw), other.row(raw), *other.rows(raw[None, 1:]), scale.learn_row(raw)):
        assert one == 1.0
        assert load > 0.5
        assert value == pytest.approx(0.25 * load)
