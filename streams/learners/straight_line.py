"""Rings of values less the straight line of each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Straightened:
    """What is left of rings, shape (rows, bins), when the straight line of each (least squares) is taken away."""

    left: Floats
    """0 where unknown."""
    known: Flags
    count: Floats
    """Of known values, at least 1, shape (rows, 1) as of what follows."""
    end: Floats
    """What the lines come to at the end of the rings, ..."""
    slope: Floats
    """... and how much they rise in a bin."""

    def of(self, places: npt.NDArray[np.int64]) -> "Straightened":
        """Return the same of some of the rings."""
        return Straightened(
            left=self.left[places],
            known=self.known[places],
            count=self.count[places],
            end=self.end[places],
            slope=self.slope[places],
        )


def straightened(rings: Floats) -> Straightened:
    """Take the straight line of known values from each of the rings (rows, bins); NaN is an unknown value."""
    known, bins = np.isfinite(rings), np.arange(rings.shape[1])
    count = np.maximum(np.count_nonzero(known, axis=1), 1)[:, None]
    level = row_sums(np.where(known, rings, 0.0)) / count
    middle = row_sums(np.where(known, bins, 0.0)) / count
    apart = np.where(known, bins - middle, 0.0)
    values = np.where(known, rings - level, 0.0)
    slope = row_sums(values * apart) / np.maximum(row_sums(apart * apart), 1.0)
    end = level + slope * (len(bins) - middle)
    return Straightened(left=values - slope * apart, known=known, count=count, end=end, slope=slope)


def row_sums(values: Floats) -> Floats:
    """Return the sums of rows, shape (rows, 1), added one by one: they do not depend on how many rows there are."""
    return np.add.accumulate(values, axis=1)[:, -1:]
