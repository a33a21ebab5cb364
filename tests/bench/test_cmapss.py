"""What the engine benchmark counts, and that the loop on its stand acts in time: made-up engines that wear out."""

import numpy as np
import pytest

from tests.bench.cmapss_data import Ended, Engine, by_age, ended_at, foresight, saving
from tests.bench.cmapss_world import run


def engines(count: int, *, seed: int = 0) -> list[Engine]:
    """Return engines of two metrics: wear, by which the end can be foretold, and noise."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        cycles = int(rng.integers(40, 80))
        wear = 20.0 - np.sqrt(np.arange(cycles - 1, -1, -1.0)) + 0.2 * rng.normal(size=cycles)
        found.append(Engine(("wear", "noise"), np.stack((wear, rng.normal(size=cycles)), axis=1)))
    return found


def test_a_replacement_after_the_last_cycle_comes_too_late() -> None:
    (engine,) = engines(1)
    due = np.zeros(engine.cycles, np.bool_)
    due[-1] = True
    assert ended_at(engine, due) == Ended(engine.cycles, is_failed=True)
    due[4] = True
    assert ended_at(engine, due) == Ended(5, is_failed=False)


def test_running_to_failure_saves_nothing_and_foresight_nearly_all() -> None:
    some = engines(5)
    assert saving(some, [Ended(one.cycles, is_failed=True) for one in some], 5.0) == pytest.approx(0.0)
    assert 0.78 < saving(some, foresight(some), 5.0) < 0.8


def test_the_best_age_lies_between() -> None:
    some, others = engines(20), engines(20, seed=1)
    assert 0.3 < saving(others, by_age(some, others, 5.0), 5.0) < saving(others, foresight(others), 5.0)


def test_the_loop_learns_from_two_failures_to_replace_in_time() -> None:
    """Through detect, decide, gate and executor."""
    some = engines(10)
    lives = run(some, 5.0)
    assert [life.is_failed for life in lives[:2]] == [True, True]
    assert sum(life.is_failed for life in lives[2:]) <= 1
    assert saving(some[4:], lives[4:], 5.0) > 0.6


def test_what_it_hears_paused_it_knows_later() -> None:
    some = engines(4, seed=2)
    lives = run(some, 5.0, training=engines(6))
    assert len(lives) == 4
    assert not any(life.is_failed for life in lives)
    assert saving(some, lives, 5.0) > 0.65
