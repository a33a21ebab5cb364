"""A bound of a mean that holds however often one looks, for values that are bounded on one side only.

Who stakes a share of his money on "the mean is higher" at fair odds is ever 1 / alpha times as rich as at first with a
probability of at most alpha (Ville's inequality). Method: Fan, Grama and Liu's inequality for such stakes ("Exponential
inequalities for martingales", EJP 2015) with a fixed mixture of them, as Waudby-Smith, Wu, Ramdas, Karampatziakis and
Mineiro use it for weighted rewards ("Anytime-valid off-policy inference for contextual bandits", 2022). What is bounded
is the average of what each value was expected to be, given those before it: it may change on the way.
"""

import math

import numpy as np
import numpy.typing as npt

STAKES = tuple(0.9 / 2.0**halved for halved in range(9))
"""Shares of the largest possible stake; the money is split evenly between them."""
_HALVINGS = 30

Vector = npt.NDArray[np.float64]


def lower_bound(
    values: Vector, *, least: float, centres: tuple[float, float], alpha: float, design_effect: float = 1.0
) -> float:
    """Return the lower bound of the mean of values that are at least `least`, in the order in which they came.

    `centres` is the range that the mean is known to be in. `design_effect` >= 1 is how much more the sum varies than
    that of independent values would: with 1 the bound is exact at any number of values, with more it is wider.
    """
    if not len(values):
        return centres[0]
    bets = stakes(centres[1] - least)
    total, spread = float(values.sum()), design_effect * float(_squares(values, centres).sum())
    rich = math.log(len(bets) / alpha)
    below, above = centres
    for _ in range(_HALVINGS):
        middle = (below + above) / 2.0
        gain = total - len(values) * middle
        logs = [stake * gain - penalty * spread for stake, penalty in bets]
        most = max(logs)
        if most + math.log(sum(math.exp(one - most) for one in logs)) >= rich:
            below = middle
        else:
            above = middle
    return below


def first_above(values: Vector, mean: float, *, least: float, centres: tuple[float, float], alpha: float) -> int | None:
    """Return the number of values at which `lower_bound` is first above `mean`; None where it never is."""
    bets = stakes(centres[1] - least)
    gains, spreads = np.cumsum(values - mean), np.cumsum(_squares(values, centres))
    logs = np.array([stake * gains - penalty * spreads for stake, penalty in bets])
    won = np.logaddexp.reduce(logs, axis=0) >= math.log(len(bets) / alpha)
    return int(np.argmax(won)) + 1 if won.any() else None


def stakes(reach: float) -> list[tuple[float, float]]:
    """Return the stakes on values that are at most `reach` below any centre, and what each is charged per squared
    distance from one: exp(stake * (value - mean) - charge * (value - centre) ** 2) is then at most 1 on average.
    """
    return [(stake / reach, (-math.log1p(-stake) - stake) / reach**2) for stake in STAKES]


def _squares(values: Vector, centres: tuple[float, float]) -> Vector:
    """Return the squared distances from the mean of the values before each."""
    counts = np.arange(1, len(values) + 1)
    before = np.concatenate(([0.0], np.cumsum(values)[:-1]))
    means = np.clip((before + sum(centres) / 2.0) / counts, *centres)
    found: Vector = (values - means) ** 2
    return found


def design_effect(values: Vector, clusters: npt.NDArray[np.intp]) -> float:
    """Return how much more the sum of values varies than if those of a cluster were independent; at least 1. One
    cluster alone tells nothing of that: it counts as one value that repeats itself. Few tell little.

    `clusters` are numbers from 0 (Liang and Zeger, "Longitudinal data analysis using generalized linear models", 1986).
    """
    errors = values - values.mean()
    alone = float(errors @ errors)
    number = len(np.unique(clusters))
    if alone <= 0.0:
        return 1.0
    if number < 2:
        return float(len(values))
    sums = np.bincount(clusters, weights=errors)
    return max(1.0, float(sums @ sums) / alone * number / (number - 1))
