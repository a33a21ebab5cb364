"""What `PatternOffsets` works out."""

import numpy as np
import numpy.typing as npt

from streams.learners.kernels.compiled import compiled

Vector = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
COUNT, REWARD, ROW = 0, 1, 2
"""Where the sums of an action begin."""


@compiled("void(f8[:,:,::1], f8[::1])")
def fade(sums: Vector, rates: Vector) -> None:
    """Let what was observed weigh less: at each rate by its own factor."""
    actions, known, height = sums.shape
    if len(rates) != known:
        raise ValueError("expected the rates by which the sums fade")
    for action in range(actions):
        for rate in range(len(rates)):
            for n in range(height):
                sums[action, rate, n] *= rates[rate]


@compiled("void(f8[:,:,::1], i8[::1], f8, f8[:,:,:], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1])")
def outlook(
    sums: Vector,
    rate_of: Places,
    weight: float,
    weights: Vector,
    said: Vector,
    noisy: Vector,
    unknown: Vector,
    counts: Vector,
) -> None:
    """Bring what the features say up to what `PatternOffsets.outlook` returns; of what has no sums, nothing is known of
    its own.
    """
    actions, models = said.shape
    if not said.shape == noisy.shape == unknown.shape == counts.shape == weights.shape[:2] or len(rate_of) != models:
        raise ValueError("expected numbers of each action and model")
    if sums.shape[2] < ROW or not 0 <= rate_of.min() <= rate_of.max() < sums.shape[1]:
        raise ValueError("expected sums at the rate of each model")
    known, width = min(sums.shape[0], actions), min(sums.shape[2] - ROW, weights.shape[2])
    for action in range(actions):
        for model in range(models):
            count = 0.0
            if action < known:
                found, explaining = sums[action, rate_of[model]], weights[action, model]
                explained, count = 0.0, found[COUNT]
                for n in range(width):
                    explained += explaining[n] * found[ROW + n]
                said[action, model] += (found[REWARD] - explained) / (count + weight)
            left = weight / (count + weight)
            noisy[action, model] = left * left * noisy[action, model] + left / weight
            unknown[action, model] *= left * left
            counts[action, model] = count


@compiled("void(f8[:,:,::1], i8, f8[::1], f8, f8[::1], i8, f8)")
def learn(sums: Vector, action: int, row: Vector, reward: float, rates: Vector, ago: int, weight: float) -> None:
    """Add `weight` times an observation of so many decisions ago."""
    if not 0 <= action < sums.shape[0] or len(rates) != sums.shape[1] or ROW + len(row) > sums.shape[2]:
        raise ValueError("expected an action, rates and a row that the sums have room for")
    for rate in range(len(rates)):
        found, kept = sums[action, rate], weight * rates[rate] ** ago
        found[COUNT] += kept
        found[REWARD] += kept * reward
        for n in range(len(row)):
            found[ROW + n] += kept * row[n]
