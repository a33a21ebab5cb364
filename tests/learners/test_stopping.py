import numpy as np
import pytest

from streams.learners.stopping import Course, best_rule


def course(end: int, *, error: float = 0.0, until: int | None = None) -> Course:
    """Return a life of which all is foretold with one error; it ended by itself, or in advance at `until`."""
    ages = np.arange(1.0, end if until is None else until + 1)
    return Course(ages, np.maximum(end - ages + error, 0.0), float(end) if until is None else None)


def spread(count: int = 40, sigma: float = 6.0) -> list[Course]:
    rng = np.random.default_rng(2)
    return [course(int(rng.integers(80, 160)), error=float(rng.normal(0, sigma))) for _ in range(count)]


def cost_rate(courses: list[Course], level: float, failure_cost: float) -> float:
    """Return what a rule costs, by playing it: an implementation of its own."""
    cost = time = 0.0
    for one in courses:
        due = one.foretold <= level
        cost += 1.0 if due.any() else failure_cost
        time += float(one.ages[due.argmax()]) if due.any() else float(one.end or 0.0)
    return cost / time


def test_what_is_foretold_exactly_is_ended_just_before_its_end() -> None:
    rule = best_rule([course(end) for end in (80, 100, 120, 140)] * 20, cost=1.0, failure_cost=5.0)
    assert rule is not None
    assert 1.0 <= rule.level < 5.0
    assert rule.rate == pytest.approx(1.0 / 108.0, rel=0.05)


@pytest.mark.parametrize("failure_cost", [2.0, 5.0, 20.0])
def test_no_other_level_would_have_cost_much_less(failure_cost: float) -> None:
    courses = spread()
    rule = best_rule(courses, cost=1.0, failure_cost=failure_cost)
    assert rule is not None
    best = min(cost_rate(courses, level, failure_cost) for level in np.linspace(0, 80, 400).tolist())
    assert cost_rate(courses, rule.level, failure_cost) < 1.1 * best


def test_the_dearer_a_failure_the_earlier() -> None:
    levels = [rule.level for cost in (2.0, 5.0, 50.0) if (rule := best_rule(spread(), cost=1.0, failure_cost=cost))]
    assert len(levels) == 3
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]


def test_the_less_is_foretold_the_earlier() -> None:
    sure, unsure = (best_rule(spread(sigma=sigma), cost=1.0, failure_cost=5.0) for sigma in (2.0, 12.0))
    assert sure is not None
    assert unsure is not None
    assert sure.level < unsure.level
    assert sure.rate < unsure.rate


def test_only_the_ratio_of_costs_and_no_unit_of_time_counts() -> None:
    courses = spread()
    hours = best_rule(courses, cost=1.0, failure_cost=5.0)
    seconds = best_rule(
        [Course(one.ages * 3600, one.foretold * 3600, (one.end or 0.0) * 3600) for one in courses],
        cost=10.0,
        failure_cost=50.0,
    )
    assert hours is not None
    assert seconds is not None
    assert seconds.level == pytest.approx(3600 * hours.level)
    assert seconds.rate == pytest.approx(hours.rate / 360)


def test_where_it_saves_nothing_there_is_no_rule() -> None:
    assert best_rule(spread(), cost=1.0, failure_cost=1.0 + 1e-9) is None
    blind = [Course(np.arange(1.0, end), np.full(end - 1, 50.0), float(end)) for end in (90, 100, 110)]
    rule = best_rule(blind, cost=1.0, failure_cost=5.0)
    assert rule is None or rule.level < 50.0


def test_before_anything_ended_by_itself_there_is_no_rule() -> None:
    assert best_rule([], cost=1.0, failure_cost=5.0) is None
    assert best_rule([course(100, until=60)], cost=1.0, failure_cost=5.0) is None


def test_lives_ended_in_time_speak_for_going_on_that_far() -> None:
    """One of three failed while much was still foretold; many that were ended late did not."""
    failed = [course(100), course(110), course(90, error=30.0)]
    ended_late = [course(100 + number, until=80 + number) for number in range(30)]
    alone, among_others = (best_rule(found, cost=1.0, failure_cost=5.0) for found in (failed, failed + ended_late))
    assert alone is not None
    assert among_others is not None
    assert alone.level > 30.0
    assert among_others.level < 25.0
