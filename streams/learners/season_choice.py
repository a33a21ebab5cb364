"""Whether metrics get another period, each by a ring of its averages."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.learners.periodicity import LONGEST, SHORTEST, powers, refined
from streams.learners.season_profile import Profiles, profiles_of
from streams.learners.straight_line import straightened

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

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
MULTIPLES = (2, 3)
CLEARER = 0.75
"""Two peaks that are not alike make half a period; a multiple of it is right if it leaves less than this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The periods of n metrics, and how much the profile of each deviated; 0 for a day that never showed."""

    period_us: Floats
    strength: Floats

    def of(self, places: Places) -> "Held":
        """Return some of them."""
        return Held(period_us=self.period_us[places], strength=self.strength[places])

    def visible(self, width_us: Floats) -> Flags:
        """Return which could be seen in rings whose bins have such a width."""
        bins = self.period_us / width_us
        return (bins >= SHORTEST) & (bins <= LONGEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What n metrics are held against from now on."""

    held: Held
    profiles: Profiles
    known: Flags
    """Which profiles are the ones of those periods; of the others nothing is known, or nothing new."""

    def of(self, places: Places) -> "Choice":
        """Return some of them."""
        return Choice(held=self.held.of(places), profiles=self.profiles.of(places), known=self.known[places])


class Seen:
    """What there is to see in n full rings (n, BINS), whose first bins, `width_us` each (n,), begin at `start_us`."""

    def __init__(self, rings: Floats, *, start_us: Floats, width_us: Floats) -> None:
        self._rings = straightened(rings)
        self._start_us, self._width_us = start_us, width_us

    def choose(self, shown: Floats, held: Held) -> Choice:
        """Return what to hold the metrics against, given the period that shows in each ring (bins, 0 for nothing)."""
        period_us, strength = held.period_us.copy(), held.strength.copy()
        profiles = self._profiles(held.period_us)
        hidden = shown == 0
        ended = hidden & held.visible(self._width_us) & ~profiles.explain()
        period_us[ended], strength[ended] = DAY_US, 0.0
        known = np.zeros(len(shown), bool)
        at = (~hidden).nonzero()[0]
        if len(at):
            found_us, found = self._multiples(at, shown[at])
            apart = np.abs(found_us / period_us[at] - 1)
            better_known = (apart > 0) & (found.residual < MORE_EXACT * profiles.residual[at])
            better = np.where(apart <= BETTER_KNOWN, better_known, found.strength > STRONGER * strength[at])
            worth = (found_us <= DAY_US * (1 + SAME)) & found.explain()
            better &= worth
            same = worth & ~better & (apart <= SAME)
            strength[at[same]] = np.maximum(strength[at], found.strength)[same]
            now = at[better]
            period_us[now], strength[now], known[now] = found_us[better], found.strength[better], True
            profiles.put(now, found.of(better.nonzero()[0]))
        return Choice(held=Held(period_us=period_us, strength=strength), profiles=profiles, known=known)

    def _multiples(self, at: Places, shown: Floats) -> tuple[Floats, Profiles]:
        """Return the periods that show in the rings at some places, or a small multiple where only that tells what
        alternates, and their profiles.
        """
        power = powers(self._rings.left[at])
        width_us = self._width_us[at]
        period_us = natural(refined(power, shown) * width_us)
        profiles = self._profiles(period_us, at)
        for times in MULTIPLES:
            fit = (shown * times <= LONGEST).nonzero()[0]
            if not len(fit):
                break
            longer_us = natural(refined(power[fit], times * shown[fit]) * width_us[fit])
            longer = self._profiles(longer_us, at[fit])
            clearer = (longer.residual < CLEARER * profiles.residual[fit]).nonzero()[0]
            period_us[fit[clearer]] = longer_us[clearer]
            profiles.put(fit[clearer], longer.of(clearer))
        return period_us, profiles

    def _profiles(self, period_us: Floats, at: Places | None = None) -> Profiles:
        """Return what periods look like in the rings at some places, or in all."""
        rings, start_us, width_us = self._rings, self._start_us, self._width_us
        if at is not None:
            rings, start_us, width_us = rings.of(at), start_us[at], width_us[at]
        phase = start_us / period_us
        return profiles_of(rings, period_us / width_us, phase - np.floor(phase))


def natural(period_us: Floats) -> Floats:
    """Return the natural period that is the same as each, or else that itself, as exactly as it is kept."""
    kept = period_us.astype(np.float32).astype(np.float64)
    nearest = NATURAL_US[np.abs(NATURAL_US / period_us[:, None] - 1).argmin(axis=1)]
    found = np.where(np.abs(nearest / period_us - 1) <= SAME, nearest, kept)
    return np.where(np.abs(period_us / DAY_US - 1) <= NEAR_A_DAY, float(DAY_US), found)
