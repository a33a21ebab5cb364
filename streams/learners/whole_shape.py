"""What an episode looked like from beginning to end, whatever its length."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PARTS = 8


def in_parts(series: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Return the mean of each metric over `PARTS` equal parts of its series (all are of one length): a slow occurrence
    of a pattern is like a quick one.
    """
    values = np.array(list(series.values()), float).reshape(len(series), -1)
    return dict(zip(series, map(tuple, means_over(values.T, PARTS).T.tolist()), strict=True))


def means_over(series: Floats, parts: int) -> Floats:
    """Return the means of a series over so many equal parts, (windows, metrics) to (parts, metrics). Parts may begin
    within a window; of one window they are all the same.
    """
    windows = len(series)
    sums = np.concatenate([np.zeros((1, series.shape[1])), np.cumsum(series, axis=0)])
    edges = np.arange(parts + 1) * (windows / parts)
    whole = np.minimum(edges.astype(int), windows - 1)
    until = sums[whole] + (edges - whole)[:, None] * series[whole]
    means: Floats = np.diff(until, axis=0) * (parts / windows)
    return means
