"""Whether a ring of values has a period, which, and what it looks like."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 96
"""Values of a ring, evenly apart in time."""
SLOTS = 48
"""Of the profile of a period."""
SHORTEST, LONGEST = 5.0, 32.0
"""Periods looked for, in bins: three times fit in a ring, and the shape of the shortest can be told from noise."""
FARTHEST = 72
"""Lags in bins that are looked at: further ones have few pairs."""
_DIFFERENCES = BINS - 1
_UNIT, _CLIP = 64.0, 192.0
"""Differences count in 64ths of their mean size, at most three of it: whole numbers, whose sums are exact in any order,
and a few large ones make no period.
"""
SURE = 6.0
"""Deviations by which the autocorrelation of white differences must be exceeded, ..."""
LEAST_CORRELATION = 0.3
"""... how large it must be at the period itself, ..."""
COHERENCE = 0.7
"""... and on average at its multiples, relative to that: an oscillation that soon forgets its phase is no season."""
EXPLAINED = 0.6
"""A profile that leaves more of the values than this share is not worth having."""
STEADY = 2.0
"""A profile goes with a straight line of at most so many of its deviations a period: a staircase is no season."""
HARMONICS = 3
_AROUND = np.exp(np.arange(-0.04, 0.0401, 0.001))


def _comb() -> tuple[Floats, npt.NDArray[np.int64], Floats, Floats]:
    """Return the candidates (periods in bins), the lag of each, how often each lag (rows) is one of its multiples, and
    how many pairs of differences lie at those.
    """
    periods = np.exp(np.arange(np.log(SHORTEST), np.log(LONGEST), 0.5 / FARTHEST))
    counts, pairs = np.zeros((FARTHEST + 1, len(periods))), np.zeros(len(periods))
    for number, period in enumerate(periods.tolist()):
        lags = np.rint(np.arange(1, int(FARTHEST / period) + 1) * period).astype(np.int64)
        counts[lags, number] = 1
        pairs[number] = (_DIFFERENCES - lags).sum()
    return periods, np.rint(periods).astype(np.int64), counts, pairs


_PERIODS, _LAGS, _COUNTS, _PAIRS = _comb()
_FIRST_PAIRS = _DIFFERENCES - _LAGS


def shown_periods(rings: Floats) -> Floats:
    """Return the period of each ring (rows, BINS) in bins, 0 where none shows. NaN is an unknown value.

    What is looked at are differences, so that a random walk or a trend is noise, and their autocorrelation at all
    multiples of a period together. Of many candidates the one furthest beyond chance is taken.
    """
    sums = np.stack([np.correlate(one, one, "full")[_DIFFERENCES - 1 :][: FARTHEST + 1] for one in _differences(rings)])
    size = np.maximum(sums[:, :1] / _DIFFERENCES, 1.0)
    together = sums @ _COUNTS
    surprise = together / (size * np.sqrt(1.5 * _PAIRS))  # white values make differences of which each two overlap
    first = sums[:, _LAGS]
    correlation = first / (size * _FIRST_PAIRS)
    further = (together - first) / (size * (_PAIRS - _FIRST_PAIRS))
    shows = (surprise >= SURE) & (correlation >= LEAST_CORRELATION) & (further >= COHERENCE * correlation)
    surprise[~shows] = 0.0
    best = surprise.argmax(axis=1)
    return np.where(shows.any(axis=1), _PERIODS[best], 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a period looks like: deviations from `level` at the middle of each of `SLOTS` slots from time 0 on."""

    slots: Floats
    level: float
    """As it is lately."""
    strength: float
    """Their deviation."""
    residual: float
    """Mean size of what is left of the values of the ring, ..."""
    size: float
    """... and of these, less their straight line."""
    drift: float
    """How far that goes in a period."""

    @property
    def explains(self) -> bool:
        """Whether it tells a good part of the values."""
        return self.residual <= EXPLAINED * self.size and self.drift <= STEADY * self.strength


def refined(ring: Floats, period: float) -> float:
    """Return a period of a ring, in bins, as exactly as its values tell: the one near by whose first harmonics have the
    most power.
    """
    known = np.isfinite(ring).nonzero()[0]
    values, _, _ = _level(ring, known)
    periods = period * _AROUND
    waves = np.exp(-2j * np.pi * np.arange(1, HARMONICS + 1)[:, None, None] * known / periods[:, None])
    power = (np.abs((waves * values).sum(axis=2)) ** 2).sum(axis=0)
    return float(periods[power.argmax()])


def profile_of(ring: Floats, period: float, phase: float) -> Profile:
    """Return what a period, in bins, looks like in a ring whose first bin begins at a phase, in periods."""
    known = np.isfinite(ring).nonzero()[0]
    values, end, slope = _level(ring, known)
    phases = (phase + (known + 0.5) / period) % 1.0
    bins = min(round(period), SLOTS)
    place = (phases * bins).astype(np.int64)
    count = np.bincount(place, minlength=bins)
    sums = np.bincount(place, values, bins)
    seen = count.nonzero()[0]
    means = sums[seen] / count[seen]
    centres = np.bincount(place, phases, bins)[seen] / count[seen]
    slots = np.interp((np.arange(SLOTS) + 0.5) / SLOTS, centres, means, period=1.0)
    left = np.abs(values - np.interp(phases, centres, means, period=1.0))
    spare = len(known) / max(len(known) - len(seen), 1)
    middle = float(slots.mean())
    return Profile(
        slots=slots - middle,
        level=end + middle,
        strength=float(slots.std()),
        residual=float(left.mean() * spare**0.5),
        size=float(np.abs(values).mean()),
        drift=abs(slope) * period,
    )


def _level(ring: Floats, known: npt.NDArray[np.int64]) -> tuple[Floats, float, float]:
    """Return the known values less their straight line, and that line at the end of the ring and its slope."""
    values = ring[known]
    slope, start = np.polyfit(known, values, 1)
    return values - (start + slope * known), float(start + slope * BINS), float(slope)


def _differences(rings: Floats) -> Floats:
    """Return the differences of values that follow one another, as clipped whole numbers; 0 beside an unknown one."""
    differences = np.diff(rings, axis=1)
    known = np.isfinite(differences)
    differences[~known] = 0.0
    count = np.maximum(np.count_nonzero(known, axis=1), 1)[:, None]
    differences -= _sum(differences) / count
    differences[~known] = 0.0
    size = _sum(np.abs(differences)) / count
    scaled = np.rint(differences * (_UNIT / np.maximum(size, 1e-30)))
    whole: Floats = np.minimum(np.maximum(scaled, -_CLIP), _CLIP)
    return whole


def _sum(values: Floats) -> Floats:
    """Return the sums of rows, added one by one: they do not depend on how many rows there are."""
    return np.add.accumulate(values, axis=1)[:, -1:]
