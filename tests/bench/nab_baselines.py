"""What stands beside the product on NAB: trivial scores, and peers at the threshold that suits them best."""

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from streams.learners.alarm_rate import AlarmRate
from streams.learners.half_space_trees import HalfSpaceTrees
from streams.loop.detect import DetectSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EVERY_ROWS = 400
GAUSSIAN_ROWS = 6_400
SUPPRESS_ROWS = 100
ROW = np.array([0])


def every_400_rows(values: Floats) -> Floats:
    """Return an alert at every 400th row."""
    flags = np.zeros(len(values))
    flags[EVERY_ROWS::EVERY_ROWS] = 1.0
    return flags


def random_through_our_alert_layer(times_us: Ints, settings: DetectSettings, rng: np.random.Generator) -> Floats:
    """Return the alerts that our threshold raises on surprise that means nothing: -log of uniform p."""
    limit = settings.alarm_limit
    rate = AlarmRate(
        alarms=limit.count,
        interval_us=limit.interval_us,
        floor=settings.floor,
        per_alarm=settings.p_per_alarm,
        rearm_windows=settings.rearm,
    )
    rate.grow(1)
    flags = np.zeros(len(times_us))
    for row, surprise in enumerate(rng.exponential(size=len(times_us)).tolist()):
        needed, armed, _ = rate.follow(ROW, times_us[row : row + 1])
        if surprise >= needed[0] and armed[0] and row >= settings.warmup_windows:
            rate.spend(ROW)
            flags[row] = 1.0
    return flags


def gaussian_tail(values: Floats) -> Floats:
    """Return -log of the Gaussian tail of each value by mean and deviation of the rows before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values * values)])
    stop = np.arange(len(values))
    start = np.maximum(stop - GAUSSIAN_ROWS, 0)
    count = np.maximum(stop - start, 1)
    mean = (sums[stop] - sums[start]) / count
    spread = np.sqrt(np.maximum((squares[stop] - squares[start]) / count - mean * mean, 1e-12 * (1 + mean * mean)))
    scores: Floats = np.where(count >= 10, -log_ndtr(-np.abs(values - mean) / spread), 0.0)
    return scores


def suppressed(scores: Floats) -> Floats:
    """Return the scores that are above all of the rows shortly before; the others as 0."""
    padded = np.concatenate([np.full(SUPPRESS_ROWS, -np.inf), scores])
    before = np.lib.stride_tricks.sliding_window_view(padded, SUPPRESS_ROWS)[: len(scores)].max(axis=1)
    return np.where(scores > before, scores, 0.0)


def half_space_trees(values: Floats) -> Floats:
    """Return the scores of river's forest with its defaults on values scaled by the least and largest so far."""
    low, high = np.minimum.accumulate(values), np.maximum.accumulate(values)
    scaled = ((values - low) / np.where(high > low, high - low, 1.0))[:, None]
    forest = HalfSpaceTrees(seed=42, features=["value"])
    scores = np.zeros(len(values))
    start = 0
    while start < len(values):  # between two pivots no score changes
        stop = min(len(values), start + forest.until_pivot)
        scores[start:stop] = forest.score_many(scaled[start:stop])
        forest.learn_many(scaled[start:stop])
        start = stop
    return scores
