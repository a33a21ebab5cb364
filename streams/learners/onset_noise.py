"""How noisy onsets are, learned from the onsets themselves."""

import msgspec
import numpy as np
import numpy.typing as npt

MOVED = 2.5
"""Deviations: a metric that goes further at some window of an onset has moved."""
PRIOR_SERIES = 50.0
PRIOR_VARIANCE = 0.8
PRIOR_MOVING = 0.35
MEMORY_SERIES = 20_000.0
BOUNDS = (0.5, 2.0)


class OnsetNoise(msgspec.Struct, array_like=True):
    """Sums over the series of all onsets: of those that stayed, how many and their mean squares; and how many moved.

    What stays at its normal tells the scale of the noise whatever the detector calls one deviation.
    """

    stayed: float = PRIOR_SERIES * (1 - PRIOR_MOVING)
    squares: float = PRIOR_SERIES * (1 - PRIOR_MOVING) * PRIOR_VARIANCE
    moved: float = PRIOR_SERIES * PRIOR_MOVING

    def learn(self, series: npt.NDArray[np.float64]) -> None:
        """Learn from the z of one onset, shape (windows, metrics); a metric that is 0 throughout was not there."""
        there = series.any(axis=0)
        moved = np.abs(series).max(axis=0) > MOVED
        quiet = there & ~moved
        self.moved += float(np.count_nonzero(moved))
        self.stayed += float(np.count_nonzero(quiet))
        self.squares += float((series[:, quiet] ** 2).sum(axis=1).sum()) / len(series)
        if self.stayed + self.moved > MEMORY_SERIES:
            self.stayed, self.squares, self.moved = self.stayed / 2, self.squares / 2, self.moved / 2

    @property
    def deviation(self) -> float:
        """The standard deviation of a metric that stays at its normal."""
        return float(min(max((self.squares / self.stayed) ** 0.5, BOUNDS[0]), BOUNDS[1]))

    @property
    def moving(self) -> float:
        """The share of metrics that move in an onset."""
        return min(max(self.moved / (self.stayed + self.moved), 0.05), 0.6)
