"""What `bandit.explore` works out."""

import numpy as np
import numpy.typing as npt

from streams.learners.kernels.compiled import compiled

Vector = npt.NDArray[np.float64]


@compiled("void(f8[::1], f8[::1], f8, f8, f8, f8[::1])")
def explore(means: Vector, spreads: Vector, optimism: float, gamma: float, floor: float, probabilities: Vector) -> None:
    """Write what `bandit.explore` returns; the best arm has what the others leave."""
    count, best, top, others = len(probabilities), 0, -np.inf, 0.0
    if not 0 < count == len(means) == len(spreads):
        raise ValueError("expected a mean and a spread of each arm")
    for n in range(count):
        hoped = means[n] + optimism * spreads[n]
        probabilities[n] = hoped
        if hoped > top:
            best, top = n, hoped
    for n in range(count):
        if n != best:
            probabilities[n] = 1.0 / (count + gamma * (top - probabilities[n]))
            others += probabilities[n]
    probabilities[best] = 1.0 - others
    for n in range(count):
        probabilities[n] = floor / count + (1.0 - floor) * probabilities[n]
