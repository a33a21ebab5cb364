"""What `FeatureScale` works out."""

import math

import numpy as np
import numpy.typing as npt

from streams.learners.kernels.compiled import compiled

Vector = npt.NDArray[np.float64]
SQUASH = 2.0
"""In standard deviations: about where a feature reaches its limit of 1, however far out it lies."""
HORIZON = 10_000.0
"""Observations over which mean and variance are taken, at most: a scale that drifts is followed."""
SETTLED, EVERY = 200, 8
"""After how many rows one of how many of them is learned."""
REACH, KNOWN = 10.0, 30
"""So many standard deviations from the mean a value may lie to be learned as it is, once so many are known; one farther
out counts as one there: a single absurd value does not flatten what comes after it.
"""
DECLARED_VARIANCE = 0.5
"""Of a feature in [-1, 1] whose scale is declared: that of a point that goes round a circle."""
_LARGEST = 1e100
_LEAST_VARIANCE = 1e-200


@compiled("f8(f8, f8)")
def _tame(value: float, mean: float) -> float:
    """Return a value, the mean in place of what is none, and none so large that its square is none."""
    if not math.isfinite(value):
        return mean
    return min(max(value, -_LARGEST), _LARGEST)


@compiled("void(f8[::1], f8[::1], f8[::1], f8[::1])")
def squash(raw: Vector, means: Vector, scales: Vector, row: Vector) -> None:
    """Write what `FeatureScale.row` returns; the constant has a scale of its own."""
    if not len(raw) == len(means) == len(scales) == len(row):
        raise ValueError("expected a value for each column")
    for n in range(len(raw)):
        row[n] = math.tanh((_tame(raw[n], means[n]) - means[n]) * scales[n])


@compiled("void(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1])")
def rescale(counts: Vector, means: Vector, variances: Vector, scales: Vector, reach: Vector) -> None:
    """Write by what values are scaled, and how far from its mean one may lie to be learned as it is: nothing of
    a column with a reach of 0 is learned, and it stays so.
    """
    if not len(counts) == len(means) == len(variances) == len(scales) == len(reach):
        raise ValueError("expected as many numbers of each kind as there are columns")
    for n in range(len(counts)):
        scales[n] = 1.0 / (SQUASH * math.sqrt(variances[n] + _LEAST_VARIANCE))
        # of what never varied, the order of magnitude is all that is known
        spread = math.sqrt(variances[n]) if variances[n] > 0.0 else 1.0 + abs(means[n])
        if reach[n] != 0.0:
            reach[n] = REACH * spread if counts[n] >= KNOWN else math.inf


@compiled("b1(i8)")
def _is_learned(number: int) -> bool:
    """Return whether the row of this number is learned: by 64 bits that look random (splitmix64: Steele, Lea and Flood,
    OOPSLA 2014).
    """
    mixed = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number <= SETTLED or (mixed ^ (mixed >> np.uint64(31))) % np.uint64(EVERY) == np.uint64(0)


@compiled("void(f8[::1], i8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1])")
def learn_row(
    raw: Vector,
    number: int,
    counts: Vector,
    means: Vector,
    variances: Vector,
    scales: Vector,
    reach: Vector,
    row: Vector,
) -> None:
    """Fold in the row of this number, if it is one of those that are, and write what `FeatureScale.learn_row` returns;
    the constant stays apart from its mean of 0.
    """
    if not len(raw) == len(counts) == len(means) == len(variances) == len(reach):
        raise ValueError("expected a value for each column")
    if _is_learned(number):
        for n in range(len(raw)):
            if math.isfinite(raw[n]) and reach[n] != 0.0:
                counts[n] += 1.0
                apart = min(max(_tame(raw[n], means[n]) - means[n], -reach[n]), reach[n])
                step = 1.0 / min(counts[n], HORIZON)
                moved = step * apart if n > 0 else 0.0
                means[n] += moved
                variances[n] += moved * apart
                variances[n] *= 1.0 - step
        rescale(counts, means, variances, scales, reach)
    squash(raw, means, scales, row)
