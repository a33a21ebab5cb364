"""What one arm of a randomised hold-out earns more than another, from the draw of the arms alone.

Each episode was given an arm by a draw of known probabilities, whatever came before. So what it says of an arm, its
reward by inverse probability weight around what was foretold of it, is right in the mean, and so is the difference of
two arms: augmented inverse propensity weighting (Robins, Rotnitzky and Zhao, "Estimation of regression coefficients
when some regressors are not always observed", JASA 1994). One sequence of differences has a tighter interval than the
difference of two intervals. What is foretold rests on rewards that were known when the episode was decided.

The interval holds where an episode's draw does not depend on what went before, and the arm of one episode does not
change what another earns. Ranges are those that values can have by the shares, not those that were seen.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from schemas.events import ARMS
from streams.learners.confidence_sequences import ALPHA
from streams.learners.empirical_bernstein import first_above, lower_bound

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
class ArmDraws:
    """Episodes in order. `arms` are places in `ARMS`; `shares` their probabilities, the same for all episodes, shape
    (3,); `rewards` are between 0 and 1; `foretold` of each arm, shape (n, 3).
    """

    arms: Indices
    shares: Vector
    rewards: Vector
    foretold: Vector

    def __len__(self) -> int:
        return len(self.arms)

    def take(self, rows: npt.NDArray[np.bool_]) -> "ArmDraws":
        """Return some of the episodes, in order."""
        return ArmDraws(
            arms=self.arms[rows], shares=self.shares, rewards=self.rewards[rows], foretold=self.foretold[rows]
        )

    def worth(self, arm: int) -> Vector:
        """Return what each episode says of an arm; where the arm could not be drawn, nothing but what is foretold."""
        found: Vector = self.foretold[:, arm] + self.weights(arm) * (self.rewards - self.foretold[:, arm])
        return found

    def weights(self, arm: int) -> Vector:
        """Return the inverse probability weight of each episode in an arm, 0 in the others."""
        return np.where(self.arms == arm, 1.0 / self.shares[arm] if self.shares[arm] > 0.0 else 0.0, 0.0)


@dataclass(frozen=True)
class Differences:
    """Values of the same expectation as a difference that is looked for, none below `least` or above `most`. Its own
    range are the `centres`.
    """

    values: Vector
    least: float
    most: float
    centres: tuple[float, float] = CENTRES

    def mean(self, stop: int | None = None) -> float:
        """Return the mean of the first `stop` values, cut to what a difference can be; 0 without values."""
        some = self.values[:stop]
        return float(np.clip(some.mean(), *self.centres)) if len(some) else 0.0

    def interval(self, stop: int | None = None, *, alpha: float = ALPHA) -> tuple[float, float]:
        """Return the interval of the average expectation of the first `stop` values: it may change on the way, and
        holds at every one of them at once.
        """
        some = self.values[:stop]
        low = lower_bound(some, least=self.least, centres=self.centres, alpha=alpha / 2.0)
        mirrored = -self.centres[1], -self.centres[0]
        return low, -lower_bound(-some, least=-self.most, centres=mirrored, alpha=alpha / 2.0)

    def proven_after(self, *, alpha: float = ALPHA) -> int | None:
        """Return the number of values at which the interval first lay above 0; None where it never did. It may lie
        around 0 again since.
        """
        return first_above(self.values, 0.0, least=self.least, centres=self.centres, alpha=alpha / 2.0)


def between(log: ArmDraws, one: int, other: int) -> Differences:
    """Return how much more an arm earns than another. All episodes must have been able to be in either."""
    return Differences(log.worth(one) - log.worth(other), *_range(log, one, other))


def beyond(log: ArmDraws, arm: int) -> Differences:
    """Return how much more was earned, whatever the arm, than an arm alone would have."""
    return Differences(log.rewards - log.worth(arm), *_range(log, None, arm))


def beyond_net(log: ArmDraws, arm: int, prices: Vector, *, dearest: float) -> Differences:
    """Return `beyond` with prices taken off that were paid besides, of which none is above the `dearest`: of what was
    earned those of all episodes, of what the arm alone would have earned those that it would have paid, by inverse
    probability weight.
    """
    earned, paid = beyond(log, arm), np.minimum(prices, dearest)
    low, high = earned.centres
    return Differences(
        earned.values - paid + log.weights(arm) * paid,
        earned.least - dearest,
        earned.most + dearest * max(0.0, 1.0 / float(log.shares[arm]) - 1.0),
        (low - dearest, high + dearest),
    )


def _range(log: ArmDraws, one: int | None, other: int) -> tuple[float, float]:
    """Return the least and the most that a value can be by the shares: it is linear in the reward and in what is
    foretold.
    """
    drawn = [arm for arm in range(len(ARMS)) if log.shares[arm] > 0.0]
    ends = list(product(drawn, (0.0, 1.0), *[(MARGIN, 1.0 - MARGIN)] * len(ARMS)))
    corners = ArmDraws(
        arms=np.array([end[0] for end in ends], dtype=np.intp),
        shares=log.shares,
        rewards=np.array([end[1] for end in ends]),
        foretold=np.array([end[2:] for end in ends]),
    )
    values = (corners.rewards if one is None else corners.worth(one)) - corners.worth(other)
    return float(values.min()), float(values.max())


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
