"""What a search finds in one ring does not depend on the others that are searched with it."""

import numpy as np
import pytest

from streams.learners.periodicity import BINS, powers, refined, shown_periods
from streams.learners.season_choice import DAY_US, Choice, Held, Seen, natural
from streams.learners.season_profile import SLOTS, Profiles, profiles_of
from streams.learners.straight_line import straightened

MINUTE_US = 60_000_000.0


def rings_of(number: int, *, noise: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rings of squares that climb slowly, with a few unknown values, and their periods in bins."""
    rng = np.random.default_rng(seed)
    periods = rng.uniform(6, 30, number)
    phase = np.arange(BINS) / periods[:, None]
    rings = 50 + 4.0 * (phase % 1 < 0.4) + 0.01 * np.arange(BINS) + rng.normal(0, noise, phase.shape)
    rings[rng.random(rings.shape) < 0.05] = np.nan
    return rings, periods


def held(number: int) -> Held:
    """Return what is held of some metrics: of every second a period that is no longer seen."""
    periods = np.where(np.arange(number) % 2, 11 * MINUTE_US, DAY_US)
    return Held(period_us=periods, strength=np.where(np.arange(number) % 2, 1.0, 0.0))


def chosen(rings: np.ndarray, of: Held) -> Choice:
    width_us = np.full(len(rings), MINUTE_US)
    return Seen(rings, start_us=np.full(len(rings), 7e14), width_us=width_us).choose(shown_periods(rings), of)


def bits(choice: Choice, row: int) -> list[bytes]:
    told = choice.profiles
    numbers = (choice.held.period_us, choice.held.strength, choice.known, told.slots, told.level, told.residual)
    return [number[row].tobytes() for number in numbers]


def test_rings_together_are_no_different_from_rings_alone():
    rings, _ = rings_of(40, noise=0.3)
    rings[::5] = np.random.default_rng(1).normal(size=(8, BINS))
    together = chosen(rings, held(40))
    assert 10 < np.count_nonzero(together.known) < 35
    for row in range(40):
        assert bits(chosen(rings[row : row + 1], held(40).of(np.array([row]))), 0) == bits(together, row)


def test_a_period_is_refined_to_where_its_waves_are_strongest():
    rings, periods = rings_of(100, noise=0.3)
    near = periods * np.random.default_rng(2).uniform(0.97, 1.03, 100)
    found = refined(powers(straightened(rings).left), np.maximum(near, 5.0))
    assert np.abs(found / periods - 1).mean() < 0.5 * np.abs(near / periods - 1).mean()


def test_a_profile_is_the_mean_by_phase_less_the_straight_line():
    period = 12.0
    phase = np.arange(BINS) / period % 1
    ring = 50 + 0.1 * np.arange(BINS) + np.sin(2 * np.pi * (phase + 0.5 / period))
    told: Profiles = profiles_of(straightened(ring[None]), np.array([period]), np.array([0.0]))
    expected = np.sin(2 * np.pi * (np.arange(SLOTS) + 0.5) / SLOTS)
    assert told.slots[0] == pytest.approx(expected, abs=0.08)  # straight between bins
    assert told.level[0] == pytest.approx(50 + 0.1 * BINS, abs=0.5)
    assert told.drift[0] == pytest.approx(1.2, abs=0.1)
    assert told.residual[0] < 0.15 * told.size[0]
    assert told.explain()[0]


def test_a_period_is_natural_where_it_nearly_is_and_near_a_day_it_is_the_day():
    hours = np.array([1.005, 1.02, 7.0, 23.0, 27.0])
    assert natural(hours * 3_600e6) / 3_600e6 == pytest.approx([1.0, 1.02, 7.0, 24.0, 27.0], rel=1e-6)
