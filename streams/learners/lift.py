"""What one arm of a randomised hold-out earns more than another, from the draw of the arms alone.

Each episode was given an arm by a draw of known probabilities, whatever came before. So what it says of an arm, its
reward by inverse probability weight around what was foretold of it, is right in the mean, and so is the difference of
two arms: augmented inverse propensity weighting (Robins, Rotnitzky and Zhao, "Estimation of regression coefficients
when some regressors are not always observed", JASA 1994). One sequence of differences has a tighter interval than the
difference of two intervals. What is foretold rests on rewards that were known when the episode was decided.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from streams.learners.empirical_bernstein import first_above, lower_bound

ALPHA = 0.05
ARMS = ("loop", "baseline", "none")
BEFORE = 0.5
"""What is foretold of a reward between 0 and 1 before any was known."""
MARGIN = 0.25
"""What is foretold is at least this, and at most 1 less this: so no value is further out than need be."""
SHRINKAGE = 4.0
"""So many rewards of the arm as a whole does the mean of a kind begin with."""
CENTRES = (-1.0, 1.0)
"""A difference of rewards between 0 and 1."""

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """Episodes in order. `arms` are places in `ARMS`; `shares` their probabilities, shape (n, 3); `rewards` are
    between 0 and 1; `foretold` of each arm, shape (n, 3).
    """

    arms: Indices
    shares: Vector
    rewards: Vector
    foretold: Vector

    def __len__(self) -> int:
        return len(self.arms)

    def take(self, rows: npt.NDArray[np.bool_]) -> "HoldOut":
        """Return some of the episodes, in order."""
        return HoldOut(
            arms=self.arms[rows], shares=self.shares[rows], rewards=self.rewards[rows], foretold=self.foretold[rows]
        )

    def worth(self, arm: int) -> Vector:
        """Return what each episode says of an arm; where the arm could not be drawn, nothing but what is foretold."""
        drawn = np.where(self.arms == arm, 1.0 / np.where(self.shares[:, arm] > 0.0, self.shares[:, arm], np.inf), 0.0)
        found: Vector = self.foretold[:, arm] + drawn * (self.rewards - self.foretold[:, arm])
        return found


@dataclass(frozen=True)
class Differences:
    """Values of the same expectation as a difference that is looked for, none below `least` or above `most`."""

    values: Vector
    least: float
    most: float

    def mean(self, stop: int | None = None) -> float:
        """Return the mean of the first `stop` values, cut to what a difference can be; 0 without values."""
        some = self.values[:stop]
        return float(np.clip(some.mean(), *CENTRES)) if len(some) else 0.0

    def interval(self, stop: int | None = None, *, alpha: float = ALPHA) -> tuple[float, float]:
        """Return the interval of the average expectation of the first `stop` values: it may change on the way, and
        holds at every one of them at once.
        """
        some = self.values[:stop]
        low = lower_bound(some, least=self.least, centres=CENTRES, alpha=alpha / 2.0)
        return low, -lower_bound(-some, least=-self.most, centres=CENTRES, alpha=alpha / 2.0)

    def proven_after(self, *, alpha: float = ALPHA) -> int | None:
        """Return the number of values at which the interval first lay above 0; None where it never did."""
        return first_above(self.values, 0.0, least=self.least, centres=CENTRES, alpha=alpha / 2.0)


def between(log: HoldOut, one: int, other: int) -> Differences:
    """Return how much more an arm earns than another. All episodes must have been able to be in either."""
    return Differences(log.worth(one) - log.worth(other), *_range(log, one, other))


def beyond(log: HoldOut, arm: int) -> Differences:
    """Return how much more was earned, whatever the arm, than an arm alone would have."""
    return Differences(log.rewards - log.worth(arm), *_range(log, None, arm))


def _range(log: HoldOut, one: int | None, other: int) -> tuple[float, float]:
    """Return the least and the most that a value can be: it is linear in the reward and in what is foretold."""
    shares = np.unique(log.shares, axis=0) if len(log) else np.full((1, len(ARMS)), 1.0 / len(ARMS))
    ends = list(product(range(len(ARMS)), (0.0, 1.0), *[(MARGIN, 1.0 - MARGIN)] * len(ARMS), range(len(shares))))
    corners = HoldOut(
        arms=np.array([end[0] for end in ends], dtype=np.intp),
        shares=shares[np.array([end[-1] for end in ends], dtype=np.intp)],
        rewards=np.array([end[1] for end in ends]),
        foretold=np.array([end[2:-1] for end in ends]),
    )
    values = (corners.rewards if one is None else corners.worth(one)) - corners.worth(other)
    possible = corners.shares[np.arange(len(ends)), corners.arms] > 0.0
    return float(values[possible].min()), float(values[possible].max())


def foretell(
    arms: Indices, kinds: Indices, rewards: Vector, *, decided: npt.NDArray[np.int64], told: npt.NDArray[np.int64]
) -> Vector:
    """Return what is foretold of each episode in each arm, shape (n, 3): the mean of its kind in that arm, drawn to
    that of the arm, by the rewards that were told (at a time) before it was decided.
    """
    sums, counts = np.zeros((len(ARMS), int(kinds.max(initial=0)) + 1)), np.zeros((len(ARMS), kinds.max(initial=0) + 1))
    found = np.empty((len(arms), len(ARMS)))
    waiting, at = np.argsort(told, kind="stable"), 0
    for row in np.argsort(decided, kind="stable"):
        while at < len(waiting) and told[waiting[at]] < decided[row]:
            known = waiting[at]
            sums[arms[known], kinds[known]] += rewards[known]
            counts[arms[known], kinds[known]] += 1.0
            at += 1
        whole = (sums.sum(axis=1) + BEFORE) / (counts.sum(axis=1) + 1.0)
        found[row] = (sums[:, kinds[row]] + SHRINKAGE * whole) / (counts[:, kinds[row]] + SHRINKAGE)
    return np.clip(found, MARGIN, 1.0 - MARGIN)


def likeliest(
    rewards: Vector, foretold: Vector, *, chance: Vector, took: npt.NDArray[np.bool_], actions: int
) -> Differences:
    """Return how much more the likeliest of so many `actions` earns than a draw among them, per decision. `chance` is
    its probability, at least 1 / `actions`; `took` where it was drawn; `foretold` what is foretold of the reward.
    """
    values = foretold + np.where(took, 1.0 / chance, 0.0) * (rewards - foretold) - rewards
    furthest = (1.0 - MARGIN) * max(1.0, actions - 1.0)
    return Differences(values, -furthest, furthest)
