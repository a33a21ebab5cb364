"""What is told of series of z by metric: numbers per metric, and a name that says what moved in which order."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import mul

from schemas.events import MetricSignature

EVENT_PREFIX = "event "
"""Event tokens stand among the metrics under this prefix."""
NOTABLE = 0.35
"""A metric is named when it moves at least this share of the strongest move."""
LATER = 1.5
"""Windows: a metric that gets half-way so much later than the one before comes `then`."""
LEAST = 1.5
"""Deviations under which nothing moved."""


def signature_of(series: Mapping[str, Sequence[float]]) -> dict[str, MetricSignature]:
    """Return the signature of series of z by metric."""
    return {
        metric: MetricSignature(
            mean=sum(values) / len(values),
            peak=max(values, key=abs),
            trend=_slope(values),
            series=tuple(round(value, 3) for value in values),
        )
        for metric, values in sorted(series.items())
    }


def describe(series: Mapping[str, Sequence[float]], *, most: int = 3) -> str:
    """Return a name such as `memory_mb up, then latency_ms up` from z by metric and window.

    The strongest moves are named, those that come first in front; an event that goes with it, at the end.
    """
    peaks = {metric: max(values, key=abs) for metric, values in series.items() if len(values)}
    events = sorted(name for name in peaks if name.startswith(EVENT_PREFIX) and abs(peaks[name]) > LEAST)
    moves = {metric: peak for metric, peak in peaks.items() if not metric.startswith(EVENT_PREFIX)}
    least = max(LEAST, NOTABLE * max(map(abs, moves.values()), default=0.0))
    strongest = sorted((metric for metric in moves if abs(moves[metric]) >= least), key=lambda m: (-abs(moves[m]), m))
    words = _ordered(series, {metric: moves[metric] for metric in strongest[:most]}) or "no metric moved"
    return f"{words}, with {' and '.join(events[:2])}" if events else words


def _ordered(series: Mapping[str, Sequence[float]], moves: Mapping[str, float]) -> str:
    begins = {metric: half_way(series[metric]) for metric in moves}
    words = ""
    before = 0.0
    for metric in sorted(moves, key=lambda m: (round(begins[m] / LATER), -abs(moves[m]), m)):
        joint = "" if not words else (", then " if begins[metric] - before >= LATER else " and ")
        words += f"{joint}{metric} {'up' if moves[metric] > 0 else 'down'}"
        before = begins[metric]
    return words


def half_way(values: Sequence[float]) -> float:
    """Return the window (a fraction between two) at which a series first gets half-way to its peak."""
    peak = max(values, key=abs)
    heights = [value / peak for value in values] if peak else [1.0]
    place = next(index for index, height in enumerate(heights) if height >= 0.5)
    if place == 0:
        return 0.0
    before, after = heights[place - 1], heights[place]
    return place - (after - 0.5) / (after - before)


def _slope(values: Sequence[float]) -> float:
    """Return the least-squares slope per window (0 for a single window)."""
    lever, spread = _lever(len(values))
    return sum(map(mul, lever, values)) / spread if spread else 0.0


@lru_cache(maxsize=64)  # onsets and patterns have one of a few lengths
def _lever(windows: int) -> tuple[tuple[float, ...], float]:
    """Return how far each window is from the middle one, and the sum of the squares."""
    middle = (windows - 1) / 2
    lever = tuple(index - middle for index in range(windows))
    return lever, sum(distance**2 for distance in lever)
