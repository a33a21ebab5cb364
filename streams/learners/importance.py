"""Rewards that stand for more than themselves: weighted means, and how many rewards they are worth."""

from math import sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class Weighted(NamedTuple):
    """A self-normalised mean, its standard error, and Kish's effective sample size of the weights."""

    value: float
    error: float
    effective: float


def self_normalised(weights: Vector, rewards: Vector) -> Weighted | None:
    """Return the mean of rewards by weight, None where nothing has any (Swaminathan and Joachims, "The self-normalized
    estimator for counterfactual learning", NIPS 2015).
    """
    total = float(weights.sum())
    if total <= 0.0:
        return None
    value = float(weights @ rewards) / total
    spread = float(np.sum((weights * (rewards - value)) ** 2))
    return Weighted(value, sqrt(spread) / total, effective_size(weights))


def effective_size(weights: Vector) -> float:
    """Return how many equal weights would tell as much (Kish, Survey Sampling, 1965); 0 without any."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0.0 else 0.0
