"""How likely an onset is under each known template, however late the episode was opened and however strong it is."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

LEVEL_SD = 5.0
"""Deviations: how far a metric goes that moves."""
SHAPE_SD = 1.5
"""Deviations: how much a metric that moves varies within an onset."""
HEIGHTS = ((0.7, 0.2), (0.3, 0.6))
"""How often the height of an occurrence differs from that of its pattern by how much, as a share: most are alike."""
LEAST_HEIGHT = 0.3
"""An occurrence is at least so high: never upside down, and not just noise."""
METRIC_SD = 0.2
"""By how much the height of one metric differs besides, as a share."""
INDEPENDENCE = 0.6
"""Successive windows are correlated: each counts as so much of a window of its own."""
SHIFT_COST = 1.0
"""In log likelihood, per window that an onset begins earlier or later than its pattern's first one."""
LACKING = 0.05
"""The share of occurrences in which one of the metrics that move in their pattern stays."""
LEAST_OVERLAP = 2
QUIET_POWER = 2.0
"""Variances of the noise: a metric of which a template shows no more than this has not moved."""
_LOG_2PI = math.log(2 * math.pi)
_LOG_LACKING, _LOG_WHOLE = math.log(LACKING), math.log1p(-LACKING)
_LOG_SHARES = np.array([np.log(share) for share, _ in HEIGHTS]).reshape(-1, 1, 1, 1)
_DEVIATIONS = np.array([sd for _, sd in HEIGHTS]).reshape(-1, 1, 1, 1)
_VARIANCES = np.array([sd**2 for _, sd in HEIGHTS]).reshape(-1, 1, 1, 1)
_PRECISIONS = np.array([1 / sd**2 for _, sd in HEIGHTS]).reshape(-1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class OnsetModel:
    """Onsets as series of z, shape (windows, metrics), around the mean series of their pattern.

    `noise` is the deviation of a metric that stays at its normal; `moving` the share of metrics that move in an onset.
    An occurrence is its pattern's series times one height near 1, begun up to `reach` windows earlier or later, plus
    noise; the height is integrated out. Now and then one of its metrics stays at its normal. What belongs to no known
    pattern has metrics that move to any level, each for itself. Scores are the logarithm of the ratio of the two (a
    Bayes factor).
    """

    noise: float
    moving: float
    reach: int

    def unknown(self, series: Floats) -> Floats:
        """Return the log likelihood of windows i to j of a series when it belongs to nothing, shape (w + 1, w + 1)."""
        windows = len(series)
        table = np.zeros((windows + 1, windows + 1))
        starts, stops, size = _intervals(windows)
        table[starts, stops] = self._unknown(series, starts, stops, size)
        return table

    def scores(self, series: Floats, sums: Floats, counts: Floats) -> Floats:
        """Return the score of a series under each template at each shift, shape (k, 2 reach + 1); -inf out of reach.

        A template is the sum of its occurrences, shape (k, positions, metrics), and how many of them each position has
        seen, shape (k, positions). Only positions that were seen count, for either side.
        """
        windows = len(series)
        sums, counts = sums[:, : windows + 2 * self.reach], counts[:, : windows + 2 * self.reach]
        size, there = np.maximum(counts, 1)[:, :, None], np.minimum(counts, 1)[:, :, None]
        sure = self._sure(sums, size, there)
        mean = sure * sums / size
        variance = self.noise**2 * (1 + sure / size) + (METRIC_SD * mean) ** 2
        terms = np.empty((3, *mean.shape))
        weight, pull, seen = terms
        seen[:] = INDEPENDENCE * there
        np.divide(seen, variance, out=weight)
        np.multiply(weight, mean, out=pull)
        places = _stretches(windows, self.reach)
        power = series * series
        # by index, not by `take`: windows of a single metric would be summed in another order
        squares, products, quiet = np.einsum("tkswm,twm->tksm", terms[:, :, places], np.array([power, series, power]))
        logs = seen * (np.log(variance) + _LOG_2PI)
        template, log, windows_seen = _stretched(np.array([pull * mean, logs, seen]), windows)
        quiet = quiet / self.noise**2 + self._log_noise() * windows_seen
        heights = _of_heights(*_lacking(np.array([squares + log, products, template]), quiet))
        known = np.logaddexp.reduce(np.logaddexp(*(_LOG_SHARES + heights)) + _log_lacking(sure > 0), axis=2)
        return self._against_unknown(series, known, counts.take(places, axis=1) > 0)

    def _sure(self, sums: Floats, size: Floats, there: Floats) -> Floats:
        """Return by how much to believe that each metric of a template moves at all, shape (k, 1, metrics).

        James and Stein's shrinkage: what few occurrences saw of a metric that stays is noise, and counts as 0.
        """
        seen = np.maximum(there.sum(axis=1, keepdims=True), 1)
        power = (sums * sums / size).sum(axis=1, keepdims=True) / seen
        sure: Floats = np.maximum(1 - QUIET_POWER * self.noise**2 / np.maximum(power, 1e-9), 0)
        return sure

    def _against_unknown(self, series: Floats, known: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
        """Compare with the unknown over the windows that the template has seen (they are contiguous)."""
        overlap = seen.sum(axis=2)
        first = seen.argmax(axis=2)
        unknown = self.unknown(series)[first, first + overlap]
        log_ratio = known - unknown - _shift_costs(self.reach)
        return np.where(overlap >= min(LEAST_OVERLAP, len(series)), log_ratio, -np.inf)

    def _unknown(self, series: Floats, starts: Places, stops: Places, size: Floats) -> Floats:
        """Return the log likelihood of stretches of a series: each metric stays, or moves to a level of its own."""
        sums = np.zeros((2, len(series) + 1, series.shape[1]))
        np.array([series, series * series]).cumsum(axis=1, out=sums[:, 1:])
        total, square = sums.take(stops, axis=1) - sums.take(starts, axis=1)
        stays = -0.5 * (size * self._log_noise() + square / self.noise**2)
        own = self.noise**2 + SHAPE_SD**2
        whole = own + size * LEVEL_SD**2
        moves = -0.5 * (
            size * _LOG_2PI
            + (size - 1) * math.log(own)
            + np.log(whole)
            + square / own
            - LEVEL_SD**2 * total * total / (own * whole)
        )
        either = np.logaddexp(
            math.log(1 - self.moving) + INDEPENDENCE * stays, math.log(self.moving) + INDEPENDENCE * moves
        )
        log: Floats = either.sum(axis=1)
        return log

    def _log_noise(self) -> float:
        return _LOG_2PI + 2 * math.log(self.noise)


@cache
def _stretches(windows: int, reach: int) -> Places:
    """Return the positions of so many windows at every shift, shape (2 reach + 1, windows)."""
    return np.arange(2 * reach + 1)[:, None] + np.arange(windows)


@cache
def _shift_costs(reach: int) -> Floats:
    """Return what each shift costs, shape (2 reach + 1,)."""
    return SHIFT_COST * np.abs(np.arange(2 * reach + 1) - reach)


@cache
def _intervals(windows: int) -> tuple[Places, Places, Floats]:
    """Return where every stretch of a series begins and ends, shape (n,), and how long it is, shape (n, 1)."""
    starts, stops = np.triu_indices(windows + 1, 1)
    return starts, stops, (stops - starts)[:, None].astype(float)


def _stretched(values: Floats, windows: int) -> Floats:
    """Return the sums over every stretch of so many positions, (..., positions, metrics) to (..., shifts, metrics)."""
    *others, positions, metrics = values.shape
    sums = np.zeros((*others, positions + 1, metrics))
    values.cumsum(axis=-2, out=sums[..., 1:, :])
    total: Floats = sums[..., windows:, :] - sums[..., :-windows, :]
    return total


def _lacking(sums: Floats, quiet: Floats) -> Floats:
    """Return the totals over metrics of three sums, and those with each metric in turn at `quiet` in the first and at
    nothing in the others, (3, k, shifts, metrics) to (3, k, shifts, 1 + metrics).
    """
    total = sums.sum(axis=3, keepdims=True)
    instead = total - sums
    instead[0] += quiet
    return np.concatenate([total, instead], axis=3)


def _log_lacking(moves: npt.NDArray[np.bool_]) -> Floats:
    """Return how often nothing, and how often each metric, is lacking where some move, (k, 1, metrics) to (k, 1, 1 +
    metrics), in logarithms: only one at a time, never one that stays anyway or the only one.
    """
    some = moves.sum(axis=2, keepdims=True)
    each = np.where(moves & (some > 1), _LOG_LACKING - np.log(np.maximum(some, 1)), -np.inf)
    return np.concatenate([np.full(some.shape, _LOG_WHOLE), each], axis=2)


def _of_heights(rest: Floats, products: Floats, template: Floats) -> Floats:
    """Return the log likelihoods of a series over a template times a height of mean 1 and each deviation of `HEIGHTS`.

    The three are the sums over windows and metrics of x² / v + log v, x m / v and m² / v.
    """
    precision = template + _PRECISIONS
    height = np.maximum((products + _PRECISIONS) / precision, LEAST_HEIGHT)
    misfit = rest - 2 * height * products + height * height * template + ((height - 1) / _DEVIATIONS) ** 2
    log: Floats = -0.5 * (misfit + np.log(precision * _VARIANCES))
    return log
