"""What is told of a pattern whose occurrences are no longer what they were."""

import numpy as np
import pytest

from streams.learners.drift_watch import Shift
from streams.loop.recognise.drift import PatternDrift

SECOND = 1_000_000


def follow(drift: PatternDrift, distances: list[float], *, start: int = 0) -> dict[str, Shift]:
    """Let a pattern recur at a mean of an hour, and return all that drifts."""
    found: dict[str, Shift] = {}
    gaps = np.random.default_rng(7).exponential(3_600, 1_000).cumsum()
    for number, distance in enumerate(distances, start=start):
        found |= drift.follow("p-1", distance=distance, time_us=round(gaps[number]) * SECOND)
    return found


def spread(around: float, count: int) -> list[float]:
    return (around + np.random.default_rng(8).uniform(-0.05, 0.05, count)).tolist()


def test_occurrences_that_grow_unlike_their_template_are_told() -> None:
    drift = PatternDrift()
    assert follow(drift, [0.9, *spread(0.1, 60)]) == {}  # the first one founds it, unlike anything before
    found = follow(drift, spread(0.3, 60), start=61)
    assert list(found) == ["patterns/p-1/distance"]
    assert found["patterns/p-1/distance"].before == pytest.approx(0.1, abs=0.02)
    assert found["patterns/p-1/distance"].after == pytest.approx(0.3, abs=0.02)


def test_chance_occurrences_never_drift() -> None:
    assert follow(PatternDrift(), spread(0.1, 900)) == {}


def test_a_restored_state_continues_alike() -> None:
    living, restored = PatternDrift(), PatternDrift()
    follow(living, spread(0.1, 60))
    restored.restore(living.snapshot())
    assert follow(restored, spread(0.3, 60), start=61) == follow(living, spread(0.3, 60), start=61)
    assert restored.snapshot() == living.snapshot()


def test_a_pattern_that_is_gone_is_forgotten() -> None:
    drift = PatternDrift()
    empty = drift.snapshot()
    follow(drift, spread(0.1, 60))
    drift.forget("p-1")
    assert drift.snapshot() == empty
