"""Whether rings of values have a period, and which."""

import numpy as np
import numpy.typing as npt

from streams.learners.straight_line import row_sums

Floats = npt.NDArray[np.float64]

BINS = 96
"""Values of a ring, evenly apart in time."""
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
HARMONICS = 3
_STEP, _AROUND = 0.001, 40
"""The logarithms of periods that are tried are so far apart, and so many of them to either side."""
_LARGEST, _WHOLE = 2.0**12, 2.0**12
"""The largest value and the unit of a wave: all that is made of them is whole numbers below 2 ** 53."""


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


def _waves() -> tuple[Floats, Floats]:
    """Return finer candidates, and what the autocorrelation at each lag from 1 on (rows) counts for in the power of the
    first harmonics of each: the power at a frequency is the cosine transform of the autocorrelation (Wiener and
    Khinchin).
    """
    last = int(np.ceil(np.log(LONGEST / SHORTEST) / _STEP)) + _AROUND
    periods = SHORTEST * np.exp(_STEP * np.arange(-_AROUND, last + 1))
    angle = 2 * np.pi * np.arange(1, BINS)[:, None] / periods
    waves = np.add.reduce([np.cos(harmonic * angle) for harmonic in range(1, HARMONICS + 1)])
    return periods, np.rint(_WHOLE * waves)


_PERIODS, _LAGS, _COUNTS, _PAIRS = _comb()
_FIRST_PAIRS = _DIFFERENCES - _LAGS
_FINE, _WAVES = _waves()


def shown_periods(rings: Floats) -> Floats:
    """Return the period of each ring (rows, BINS) in bins, 0 where none shows. NaN is an unknown value.

    What is looked at are differences, so that a random walk or a trend is noise, and their autocorrelation at all
    multiples of a period together. Of many candidates the one furthest beyond chance is taken.
    """
    sums = _autocorrelations(_differences(rings))[:, : FARTHEST + 1]
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


def powers(left: Floats) -> Floats:
    """Return how much of each of the finer candidates is in rings less their straight lines (rows, BINS)."""
    size = np.maximum.reduce(np.abs(left), axis=1)[:, None]
    whole = np.rint(left * (_LARGEST / np.maximum(size, 1e-30)))
    found: Floats = _autocorrelations(whole)[:, 1:] @ _WAVES
    return found


def refined(power: Floats, periods: Floats) -> Floats:
    """Return the period of each ring, in bins, as exactly as its values tell: of those near by the one whose first
    harmonics have the most power (`powers`).
    """
    first = np.rint(np.log(periods / SHORTEST) / _STEP).astype(np.int64)
    near = first[:, None] + np.arange(2 * _AROUND + 1)
    best = np.take_along_axis(power, near, axis=1).argmax(axis=1)
    found: Floats = _FINE[first + best]
    return found


def _autocorrelations(whole: Floats) -> Floats:
    """Return the sums of products of whole numbers that lie each number of places apart in a row, from 0 on: exact."""
    length = whole.shape[1]
    waves = np.fft.rfft(whole, 2 * length, axis=1)
    sums: Floats = np.rint(np.fft.irfft(waves.real**2 + waves.imag**2, 2 * length, axis=1)[:, :length])
    return sums


def _differences(rings: Floats) -> Floats:
    """Return the differences of values that follow one another, as clipped whole numbers; 0 beside an unknown one."""
    differences = np.diff(rings, axis=1)
    known = np.isfinite(differences)
    differences[~known] = 0.0
    count = np.maximum(np.count_nonzero(known, axis=1), 1)[:, None]
    differences -= row_sums(differences) / count
    differences[~known] = 0.0
    size = row_sums(np.abs(differences)) / count
    scaled = np.rint(differences * (_UNIT / np.maximum(size, 1e-30)))
    whole: Floats = np.minimum(np.maximum(scaled, -_CLIP), _CLIP)
    return whole
