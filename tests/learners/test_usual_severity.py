import math

import pytest

from streams.learners.usual_severity import MEMORY, UsualSeverity


def usual(*severities: float, limit: int = 10) -> UsualSeverity:
    known = UsualSeverity(limit=limit)
    for severity in severities:
        known.learn("web", severity)
    return known


def test_an_entity_that_never_was_abnormal_counts_by_its_severity_alone() -> None:
    assert usual(80.0).strength("database", 9.0) == pytest.approx(math.log(10.0))


def test_the_worse_and_the_more_often_an_entity_was_the_less_counts_the_same() -> None:
    strengths = [known.strength("web", 50.0) for known in (usual(), usual(5.0), usual(50.0), usual(*[50.0] * 20))]
    assert strengths == sorted(strengths, reverse=True)
    assert len(set(strengths)) == 4


def test_what_it_always_was_is_one_above_nothing() -> None:
    assert usual(*[50.0] * 1_000).strength("web", 50.0) == pytest.approx(math.log(2.0), abs=0.2)


def test_what_was_long_ago_is_forgotten() -> None:
    calm_since = usual(*[90.0] * 50, *[1.0] * 10 * MEMORY)
    assert calm_since.strength("web", 50.0) == pytest.approx(usual(*[1.0] * MEMORY).strength("web", 50.0), rel=1e-3)


def test_the_entities_seen_last_are_known() -> None:
    known = usual(50.0, limit=2)
    for entity in ("cart", "mail"):
        known.learn(entity, 50.0)
    assert known.strength("web", 50.0) == pytest.approx(math.log(51.0))
    assert known.strength("cart", 50.0) < math.log(51.0)


def test_what_is_known_is_restored() -> None:
    known, other = usual(3.0, 80.0), usual()
    other.restore(known.snapshot())
    assert other.snapshot() == known.snapshot()
    assert other.strength("web", 50.0) == known.strength("web", 50.0)
