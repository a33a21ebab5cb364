"""Why one action is expected to earn more than another: what each number of the row, and the rest, adds to that.

Every regression is linear in the row, and a mean is a sum of what the regressions say, weighed by how far each is
believed of that action. So the parts add up to the difference of the two means. A feature counts for what it is away
from its mean, as in linear models Shapley values do (Strumbelj and Kononenko, "Explaining prediction models and
individual predictions", KAIS 2014).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.learners.decision_memory import Decision

Vector = npt.NDArray[np.float64]


class Reasons(NamedTuple):
    """What adds up to the difference of the means of two actions: each of the `features`, the `constant`, which is
    there whatever they are, the `pattern` by itself, and the `priors`.
    """

    features: dict[str, float]
    constant: float
    pattern: float
    priors: float


def reasons_of(
    decision: Decision,
    pair: tuple[int, int],
    *,
    names: Sequence[str],
    weights: Vector,
    shares: Sequence[Vector],
    priors: Sequence[float],
) -> Reasons:
    """Return what speaks for the first of two actions over the second: `pair` are their places in `weights`, of shape
    (actions, models, width), as they were at the decision; `names` are the columns behind the constant; of each action
    there are the `shares` that `PatternMix.believed` returned and one of the `priors`.
    """
    (first, second), (of_first, of_second) = pair, shares
    weighed: Vector = (np.dot(of_first, weights[first]) - np.dot(of_second, weights[second])) * decision.row
    pattern = 0.0
    if decision.pattern is not None:
        shared, joint = decision.expected
        pattern = float(
            np.dot(of_first, joint[first] - shared[first]) - np.dot(of_second, joint[second] - shared[second])
        )
    constant, *features = weighed.tolist()
    return Reasons(dict(zip(names, features, strict=True)), constant, pattern, priors[0] - priors[1])
