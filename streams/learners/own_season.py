"""Metrics with a season of their own: what is learned of it, and what spreads become when it comes or goes."""

import numpy as np
import numpy.typing as npt

from streams.learners.season_profile import SLOTS
from streams.learners.seasons import Seasons

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

WEIGHT, LEVEL = 0, 1
"""What is kept of a metric: the weight of a value in the level of its season, or 0 where it has none of its own, and
that level.
"""
PLANES = 2
NOISE = 0.75
"""The mean size of white noise, as a share of that of its jumps, ..."""
LEVEL_NOISE = 0.18
"""... and of its medium against its long average, as a share of its own."""
CYCLES, LEAST, MOST = 16.0, 0.03, 0.15
"""A slot of a short period is averaged over so many cycles, for a period is never known exactly. A value counts for no
less and no more than this; ..."""
OUTLIER = 3.0
"""... which learns at most so many spreads from it: a fault must not become the season."""


def learned(own: Floats, values: Floats, left: Floats, spread: Floats, first: Flags) -> Floats:
    """Learn what is `left` of values (n, metrics) by their slots and levels, in place in `own` (n, PLANES, metrics);
    return what it adds to the slots. The `first` values of a new start are levels.
    """
    bound = OUTLIER * spread
    left = np.minimum(np.maximum(left, -bound), bound)
    weight, level = own[:, WEIGHT], own[:, LEVEL]
    level += weight * left
    np.copyto(level, values, where=first & (weight > 0))
    return np.minimum(np.maximum(weight * (SLOTS / CYCLES), LEAST), MOST) * left


def adjusted_spreads(seasons: Seasons, spreads: Floats) -> Floats:
    """Return the spreads (n, features) of what seasons of their own leave, given those of values before."""
    noise = np.minimum(NOISE * spreads[:, 0], seasons.noise)
    left = np.maximum(noise, seasons.residual)
    level = np.maximum(LEVEL_NOISE * noise, seasons.residual)
    return np.stack([noise / NOISE, left, left, level, left], axis=1)


def plain_spreads(seasons: Seasons, spreads: Floats, slots: Floats, weight: Floats) -> Floats:
    """Return the spreads (n, features) of plain values, given those of what `slots` (n, SLOTS) of a season of such a
    `weight` had left: a sum varies as much as its parts together, at most.
    """
    swing = np.abs(slots).mean(axis=1)
    step = SLOTS * weight * np.abs(slots - np.roll(slots, 1, axis=1)).mean(axis=1)
    jump, medium, long, level = spreads[:, :4].T
    phase = np.where(seasons.known, np.maximum(np.minimum(NOISE * jump, seasons.noise), seasons.residual), long)
    return np.stack([jump + step, medium + swing, long + swing, level + swing, phase + swing], axis=1)
