"""What `inverse_gap` works out."""

import numpy as np
import numpy.typing as npt

from streams.learners.kernels.compiled import compiled

Vector = npt.NDArray[np.float64]


@compiled("void(f8[::1], f8, f8, f8[::1])")
def inverse_gap(rewards: Vector, gamma: float, floor: float, probabilities: Vector) -> None:
    """Write what `inverse_gap` returns; what the others leave is the best arm's."""
    count, best, others = len(rewards), rewards.argmax(), 0.0
    for n in range(count):
        if n != best:
            probabilities[n] = 1.0 / (count + gamma * (rewards[best] - rewards[n]))
            others += probabilities[n]
    probabilities[best] = 1.0 - others
    for n in range(count):
        probabilities[n] = floor / count + (1.0 - floor) * probabilities[n]
