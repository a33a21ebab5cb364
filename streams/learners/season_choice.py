"""Whether a metric gets another period, by a ring of its averages."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.learners.periodicity import LONGEST, SHORTEST, Profile, profile_of, refined

Floats = npt.NDArray[np.float64]

DAY_US = 86_400_000_000
NATURAL_US = 1e6 * np.array([60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400])
"""A period as good as one of these is one."""
NEAR_A_DAY = 0.1
"""So close to a day a period is one: a ring holds few days, which may be unlike each other (a weekend among them)."""
SAME = 0.01
"""Periods closer than this share are the same, ..."""
BETTER_KNOWN = 0.04
"""... closer than this are one, which is known better by now, ..."""
MORE_EXACT = 0.9
"""... if it leaves less than this share of what that leaves; ..."""
STRONGER = 1.1
"""... of others the one whose profile deviates so many times as much is taken: the season of a day need not give way to
what comes every hour, nor a period to one of its multiples.
"""
MULTIPLES = (1, 2, 3)
CLEARER = 0.75
"""Two peaks that are not alike make half a period; a multiple of it is right if it leaves less than this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The period of a metric, and how much its profile deviated; 0 for a day that never showed."""

    period_us: float
    strength: float


def chosen(ring: Floats, shown: float, held: Held, *, start_us: float, width_us: float) -> tuple[Held, Profile | None]:
    """Return what a metric is held against from now on, given what shows in its ring (bins, 0 for nothing), and its
    profile, unless that is unknown or need not change. The first of the ring's bins, `width_us` each, begins at
    `start_us`.
    """
    if not shown:
        visible = SHORTEST <= held.period_us / width_us <= LONGEST
        if not visible or _profile(ring, held.period_us, start_us, width_us).explains:
            return held, None
        return Held(period_us=DAY_US, strength=0.0), None
    period_us, profile = _multiple(ring, shown, start_us, width_us)
    if period_us > DAY_US * (1 + SAME) or not profile.explains:
        return held, None
    apart = abs(period_us / held.period_us - 1)
    if apart <= BETTER_KNOWN:
        left = _profile(ring, held.period_us, start_us, width_us).residual
        better = apart > 0 and profile.residual < MORE_EXACT * left
    else:
        better = profile.strength > STRONGER * held.strength
    if better:
        return Held(period_us=period_us, strength=profile.strength), profile
    if apart <= SAME:
        return Held(period_us=held.period_us, strength=max(held.strength, profile.strength)), None
    return held, None


def natural(period_us: float) -> float:
    """Return the natural period that is the same, or else the period itself, as exactly as it is kept."""
    if abs(period_us / DAY_US - 1) <= NEAR_A_DAY:
        return float(DAY_US)
    nearest = NATURAL_US[np.abs(NATURAL_US / period_us - 1).argmin()]
    return float(nearest if abs(nearest / period_us - 1) <= SAME else np.float32(period_us))


def _multiple(ring: Floats, shown: float, start_us: float, width_us: float) -> tuple[float, Profile]:
    """Return the period that shows, or a small multiple where only that tells what alternates, and its profile."""
    bins = [shown * times for times in MULTIPLES if shown * times <= LONGEST]
    periods_us = [natural(refined(ring, period) * width_us) for period in bins]
    profiles = [_profile(ring, period_us, start_us, width_us) for period_us in periods_us]
    best = 0
    for place, profile in enumerate(profiles):
        if profile.residual < CLEARER * profiles[best].residual:
            best = place
    return periods_us[best], profiles[best]


def _profile(ring: Floats, period_us: float, start_us: float, width_us: float) -> Profile:
    phase = start_us / period_us
    return profile_of(ring, period_us / width_us, phase - np.floor(phase))
