"""Signatures as directions: which metrics moved, which way, and how, whatever the amplitude."""

import math
from collections.abc import Mapping, Sequence

SLACK = 2.0
SOFT = 4.0
TREND_WEIGHT = 0.3
MEAN, PEAK, TREND = 0, 1, 2

Vector = dict[str, tuple[float, float, float]]
"""Metric to (mean, peak, trend), squashed, of length 1 over all; an absent metric is 0."""


def direction(moments: Mapping[str, Sequence[float]]) -> Vector:
    """Return the direction of an onset, from each metric's mean, signed peak and trend per window of z.

    What is within `SLACK` deviations is noise and counts as 0; beyond, tanh makes a large and a larger move alike. When
    nothing is left the vector is empty.
    """
    vector: Vector = {}
    for metric, (mean, peak, trend) in sorted(moments.items()):
        parts = (_squash(mean), _squash(peak), TREND_WEIGHT * math.tanh(trend / SOFT) if abs(peak) > SLACK else 0.0)
        if any(parts):
            vector[metric] = parts
    return normalised(vector)


def normalised(vector: Vector) -> Vector:
    """Return the vector scaled to length 1 (an empty one stays empty)."""
    length = math.sqrt(sum(part * part for parts in vector.values() for part in parts))
    if length == 0:
        return {}
    return {metric: (a / length, b / length, c / length) for metric, (a, b, c) in vector.items()}


def distance(first: Vector, second: Vector) -> float:
    """Return 1 - cosine, in [0, 2]; two empty vectors are alike."""
    if not first or not second:
        return float(bool(first) != bool(second))
    shared = sorted(first.keys() & second.keys())
    cosine = sum(a * b for metric in shared for a, b in zip(first[metric], second[metric], strict=True))
    return max(0.0, 1.0 - cosine)


def moved_towards(vector: Vector, target: Vector, weight: float) -> Vector:
    """Return the direction between two vectors, `weight` of the way to the target; parts that fade out are dropped."""
    mixed: Vector = {}
    for metric in sorted(vector.keys() | target.keys()):
        old, new = vector.get(metric, (0.0, 0.0, 0.0)), target.get(metric, (0.0, 0.0, 0.0))
        parts = [(1 - weight) * a + weight * b for a, b in zip(old, new, strict=True)]
        if max(map(abs, parts)) > 1e-4:
            mixed[metric] = (parts[MEAN], parts[PEAK], parts[TREND])
    return normalised(mixed)


def describe(vector: Vector, *, most: int = 3) -> str:
    """Return a name such as `memory_mb up, then latency_ms up`: the strongest moves, those from the start first."""
    strength = {metric: abs(parts[MEAN]) + abs(parts[PEAK]) for metric, parts in vector.items()}
    top = max(strength.values(), default=0.0)
    chosen = sorted((metric for metric in strength if strength[metric] > 0.35 * top), key=lambda m: (-strength[m], m))
    if not chosen:
        return "no metric moved"
    lateness = {metric: 1 - abs(vector[metric][MEAN]) / max(abs(vector[metric][PEAK]), 1e-9) for metric in chosen}
    words = ""
    before = 0.0
    for metric in sorted(chosen[:most], key=lambda m: (round(lateness[m], 1), -strength[m], m)):
        joint = "" if not words else (", then " if lateness[metric] - before > 0.25 else " and ")
        words += f"{joint}{metric} {'up' if vector[metric][PEAK] > 0 else 'down'}"
        before = lateness[metric]
    return words


def _squash(z: float) -> float:
    return math.copysign(math.tanh(max(abs(z) - SLACK, 0.0) / SOFT), z) if abs(z) > SLACK else 0.0
