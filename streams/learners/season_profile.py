"""What a period looks like in a ring of values."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from streams.learners.straight_line import Straightened, row_sums

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

SLOTS = 48
"""Of the profile of a period."""
EXPLAINED = 0.6
"""A profile that leaves more of the values than this share is not worth having."""
STEADY = 2.0
"""A profile goes with a straight line of at most so many of its deviations a period: a staircase is no season."""
_MIDDLES = (np.arange(SLOTS) + 0.5) / SLOTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What the periods of n rings look like: deviations from `level` at the middle of each of `SLOTS` slots from time 0
    on.
    """

    slots: Floats
    """Shape (n, SLOTS), and (n,) what follows."""
    level: Floats
    """As it is lately."""
    strength: Floats
    """Their deviation."""
    residual: Floats
    """Mean size of what is left of the values of the ring, ..."""
    size: Floats
    """... and of these, less their straight line."""
    drift: Floats
    """How far that goes in a period."""

    def explain(self) -> Flags:
        """Return which of them tell a good part of the values."""
        return (self.residual <= EXPLAINED * self.size) & (self.drift <= STEADY * self.strength)

    def of(self, places: Places) -> "Profiles":
        """Return some of them."""
        return Profiles(**{field.name: getattr(self, field.name)[places] for field in fields(self)})

    def put(self, places: Places, others: "Profiles") -> None:
        """Replace those at some places."""
        for field in fields(self):
            getattr(self, field.name)[places] = getattr(others, field.name)


def profiles_of(rings: Straightened, periods: Floats, phases: Floats) -> Profiles:
    """Return what the period of each of n rings, in bins, looks like; the first bin begins at a phase, in periods."""
    periods, phases = periods[:, None], phases[:, None]
    size = rings.known.shape[1]
    when = (phases + (np.arange(size) + 0.5) / periods) % 1.0
    bins = np.minimum(np.maximum(np.rint(periods), 1), SLOTS).astype(np.int64)
    curve = _Curve(rings, when, bins)
    slots = curve.at(np.broadcast_to(_MIDDLES, (len(periods), SLOTS)))
    left = np.where(rings.known, np.abs(rings.left - curve.at(when)), 0.0)
    spare = rings.count / np.maximum(rings.count - curve.count, 1)
    middle = row_sums(slots) / SLOTS
    slots -= middle
    return Profiles(
        slots=slots,
        level=(rings.end + middle)[:, 0],
        strength=np.sqrt(row_sums(slots * slots) / SLOTS)[:, 0],
        residual=(row_sums(left) / rings.count * np.sqrt(spare))[:, 0],
        size=(row_sums(np.abs(rings.left)) / rings.count)[:, 0],
        drift=(np.abs(rings.slope) * periods)[:, 0],
    )


class _Curve:
    """Straight lines between the means of the values in each of some bins of a period, round its end."""

    def __init__(self, rings: Straightened, phases: Floats, bins: Places) -> None:
        """Take values at phases, shape (n, values), and how many bins there are, (n, 1)."""
        rows, number = len(bins), np.arange(SLOTS)
        self._bins = bins
        cells = (np.arange(rows)[:, None] * SLOTS + self._bin_of(phases))[rings.known]

        def summed(values: Floats) -> Floats:
            sums = np.bincount(cells, values[rings.known], rows * SLOTS)
            return sums.astype(np.float64).reshape(rows, SLOTS)

        count = summed(np.ones_like(phases))
        self._seen = count > 0
        self.count = np.count_nonzero(self._seen, axis=1)[:, None]
        """Of bins with a value, shape (n, 1)."""
        count = np.maximum(count, 1.0)
        self._centres, self._means = summed(phases) / count, summed(rings.left) / count
        # of each bin the last before it, and the first after it, that has a value
        last = np.maximum.accumulate(np.where(self._seen, number, -1), axis=1)
        first = np.minimum.accumulate(np.where(self._seen, number, SLOTS)[:, ::-1], axis=1)[:, ::-1]
        before = np.concatenate([last[:, -1:], last[:, :-1]], axis=1)
        after = np.concatenate([first[:, 1:], first[:, :1]], axis=1)
        self._before = np.where(before < 0, last[:, -1:], before)
        self._after = np.where(after == SLOTS, first[:, :1], after)

    def at(self, phases: Floats) -> Floats:
        """Return the curve at phases, shape (n, number)."""
        own = self._bin_of(phases)
        seen = np.take_along_axis(self._seen, own, axis=1)
        reached = np.take_along_axis(self._centres, own, axis=1) <= phases
        left = np.where(seen & reached, own, np.take_along_axis(self._before, own, axis=1))
        right = np.where(seen & ~reached, own, np.take_along_axis(self._after, own, axis=1))
        start, stop = (np.take_along_axis(self._centres, place, axis=1) for place in (left, right))
        start = np.where(start > phases, start - 1, start)
        stop = np.where(stop <= phases, stop + 1, stop)
        lower, upper = (np.take_along_axis(self._means, place, axis=1) for place in (left, right))
        found: Floats = lower + (upper - lower) * ((phases - start) / (stop - start))
        return found

    def _bin_of(self, phases: Floats) -> Places:
        return np.minimum((phases * self._bins).astype(np.int64), self._bins - 1)
