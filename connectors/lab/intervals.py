"""Means of a few values with intervals that a person can read."""

import random
from collections.abc import Sequence
from statistics import fmean

import msgspec

_RESAMPLES = 1000


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float], seed: int) -> Interval | None:
    """Bootstrap the mean (Efron 1979, percentile interval); None without values."""
    if not values:
        return None
    draw = random.Random(seed)  # noqa: S311  # resampling
    means = sorted(fmean(draw.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return Interval(mean=fmean(values), low=means[_RESAMPLES // 40], high=means[-_RESAMPLES // 40 - 1])
