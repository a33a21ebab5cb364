"""The random trees of half-space trees, drawn as `river.anomaly.HalfSpaceTrees` draws them from the same seed.

river itself brings scipy.stats and every other detector with it: a second of CPU at each start of a worker.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

PADDING = 0.15
"""Share of a feature's range, on either side, in which no split falls."""


def draw_trees(
    features: int, *, n_trees: int, height: int, limits: tuple[float, float], seed: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return feature and threshold of every node, each of shape (n_trees, 2^(height+1) - 1), a leaf's being 0 and inf.

    Node k has children 2k+1 and 2k+2. A feature is drawn with the width of what is left of its range as its weight
    (Tan, Ting, Liu, IJCAI 2011; the padding is river's).
    """
    # Given a list, numpy seeds its Mersenne Twister as Python's `random` does, so the draws are river's.
    source = np.random.RandomState(None if seed is None else _words(seed))
    shape = n_trees, 2 ** (height + 1) - 1
    feature, threshold = np.zeros(shape, np.int64), np.full(shape, np.inf)
    for tree in range(n_trees):
        ranges = [limits] * features
        _split(feature[tree], threshold[tree], 0, ranges, height=height, source=source)
    return feature, threshold


def _split(
    feature: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.float64],
    node: int,
    ranges: list[tuple[float, float]],
    *,
    height: int,
    source: np.random.RandomState,
) -> None:
    """Draw the split of a node, then its left and its right half, depth first."""
    if height == 0:
        return
    chosen = _weighted([high - low for low, high in ranges], source.random_sample())
    low, high = ranges[chosen]
    first, last = low + PADDING * (high - low), high - PADDING * (high - low)
    at = first + (last - first) * source.random_sample()
    feature[node], threshold[node] = chosen, at
    for child, half in ((2 * node + 1, (low, at)), (2 * node + 2, (at, high))):
        ranges[chosen] = half
        _split(feature, threshold, child, ranges, height=height - 1, source=source)
    ranges[chosen] = low, high


def _weighted(weights: Sequence[float], draw: float) -> int:
    """Return the index that `random.choices` picks for a draw from [0, 1)."""
    sums = list(accumulate(weights))
    return bisect(sums, draw * sums[-1], 0, len(sums) - 1)


def _words(seed: int) -> list[int]:
    """Return a seed in words of 32 bits, lowest first, as `random.seed` takes it."""
    size = max(1, -(-abs(seed).bit_length() // 32))
    return [abs(seed) >> 32 * word & 0xFFFFFFFF for word in range(size)]
