"""Whether a log can tell."""

import numpy as np
import pytest

from streams.learners.support import LEAST_DECISIONS, LEAST_EFFECTIVE, Support, support_of


def support(target: list[float], logged: list[float], happened: list[int], *, seen: bool = True) -> Support:
    count = len(happened)
    log = np.tile(logged, (count, 1))
    return support_of(
        np.tile(target, (count, 1)),
        log,
        log,
        happened=np.array(happened, dtype=np.intp),
        seen=np.full(count, seen, dtype=np.bool_),
    )


def test_where_target_and_log_agree_nothing_more_is_needed() -> None:
    found = support([0.9, 0.1], [0.9, 0.1], [0] * 90 + [1] * 10)
    assert (found.differs, found.effective) == (0.0, 0.0)
    assert found.overall == pytest.approx(100.0)
    assert found.is_enough


def test_rewards_are_needed_even_where_target_and_log_agree() -> None:
    log = np.ones((100, 1))
    few = support_of(
        log, log, log * 0.1, happened=np.zeros(100, dtype=np.intp), seen=np.arange(100) < LEAST_EFFECTIVE - 1
    )
    assert few.overall == pytest.approx(LEAST_EFFECTIVE - 1)
    assert few.is_thin


def test_only_decisions_that_speak_for_what_would_be_different_count() -> None:
    """Nine of ten do what the target does: they say nothing about the tenth, which it would do twice as often."""
    found = support([0.8, 0.2], [0.9, 0.1], [0] * 900 + [1] * 100)
    assert found.differs == pytest.approx(0.1)
    assert found.effective == pytest.approx(100.0)
    few = support([0.8, 0.2], [0.9, 0.1], [0] * 995 + [1] * 5)
    assert few.effective == pytest.approx(5.0)
    assert few.is_thin
    assert not few.is_enough


def test_what_could_not_happen_is_missed_by_action() -> None:
    found = support([0.5, 0.5], [1.0, 0.0], [0] * 100)
    assert found.uncovered == (0.0, 0.5)
    assert found.misses


def test_what_was_never_seen_does_not_speak() -> None:
    assert support([0.0, 1.0], [0.5, 0.5], [0, 1] * 100, seen=False).effective == 0.0


def test_a_handful_of_decisions_is_never_enough() -> None:
    assert not support([1.0], [1.0], [0] * (LEAST_DECISIONS - 1)).is_enough
    assert support([1.0], [1.0], [0] * LEAST_DECISIONS).is_enough
    assert not support([1.0], [1.0], []).is_enough
