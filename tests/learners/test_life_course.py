import math

from streams.learners.life_course import QUICK, LifeCourse


def course(*, limit: int = 8, metric_limit: int = 4) -> LifeCourse:
    return LifeCourse(limit=limit, metric_limit=metric_limit)


def test_averages_begin_as_means_and_then_follow() -> None:
    one = course()
    assert one.see({"heat": 2.0}, 1.0) == {"age": 1.0, "heat:quick": 2.0, "heat:slow": 2.0, "heat:moved": 0.0}
    assert one.see({"heat": 4.0}, 2.0)["heat:quick"] == 3.0
    for age in range(3, 60):
        features = one.see({"heat": 10.0}, float(age))
    assert 9.9 < features["heat:quick"] <= 10.0
    assert features["heat:slow"] < features["heat:quick"]
    assert features["heat:moved"] > 1.0


def test_a_single_outlier_moves_an_average_by_its_share() -> None:
    one = course()
    for age in range(20):
        one.see({"heat": 0.0}, float(age))
    assert one.see({"heat": 8.0}, 20.0)["heat:quick"] == 8.0 / QUICK


def test_what_is_not_finite_or_too_much_is_left_out() -> None:
    one = course(metric_limit=2)
    features = one.see({"a": math.nan, "b": 1.0, "c": 2.0}, 1.0)
    assert set(features) == {"age", "b:quick", "b:slow", "b:moved"}
    assert one.see({"a": 5.0}, 2.0)["a:quick"] == 5.0


def test_the_latest_rows_are_all_kept_and_the_older_ones_thinned_out() -> None:
    one = course(limit=8)
    for age in range(100):
        one.keep(float(age), bytes([age]))
        assert len(one.rows) <= 8
    assert [row[0] for row in one.rows] == one.ages
    assert one.ages[-4:] == [96.0, 97.0, 98.0, 99.0]
    assert one.ages[0] == 0.0
    assert one.ages == sorted(one.ages)
