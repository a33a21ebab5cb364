"""Whether a log can tell what a policy would have earned: only where it did, often enough, what that one would do."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.learners.cross_fitting import Indices, Vector
from streams.learners.importance import effective_size

LEAST_PROBABILITY = 0.001
"""What happens less often than this counts as something that the log cannot speak of: no reward stands for more than a
thousand."""
LEAST_EFFECTIVE = 20.0
LEAST_DECISIONS = 20
MOST_UNCOVERED = 0.05
LITTLE = 0.01
"""A policy that differs in less than this share of what happens needs no decisions where it differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a log of `decisions` says about a target.

    `differs` is the share of what happens that would be something else; `effective` the effective sample size of the
    decisions with a known reward that speak for that share, `overall` of all that speak for the target; `uncovered` the
    share, by action, that the log could hardly have done.
    """

    decisions: int
    differs: float
    effective: float
    overall: float
    uncovered: tuple[float, ...]

    @property
    def is_enough(self) -> bool:
        """Whether the log can tell."""
        return self.decisions >= LEAST_DECISIONS and not self.misses and not self.is_thin

    @property
    def misses(self) -> bool:
        """Whether too much of what the target does could hardly happen."""
        return sum(self.uncovered) > MOST_UNCOVERED

    @property
    def is_thin(self) -> bool:
        """Whether too few decisions speak for it, or for what would be different."""
        return min(self.overall, self.effective if self.differs > LITTLE else self.overall) < LEAST_EFFECTIVE


def support_of(
    happens: Vector, logged: Vector, shows: Vector, *, happened: Indices, seen: npt.NDArray[np.bool_]
) -> Support:
    """Return the support of a target under which actions happen with other probabilities than under the log; `shows`:
    that they happen and are seen. All have shape (n, actions).
    """
    possible = shows >= LEAST_PROBABILITY
    excess = np.maximum(happens - logged, 0.0)
    at = np.arange(len(happened)), happened
    counted = np.where(possible & seen[:, None], 1.0 / np.maximum(shows, LEAST_PROBABILITY), 0.0)[at]
    count = max(1, len(happened))
    return Support(
        decisions=len(happened),
        differs=float(excess.sum()) / count,
        effective=effective_size(counted * excess[at]),
        overall=effective_size(counted * happens[at]),
        uncovered=tuple((np.where(possible, 0.0, happens).sum(axis=0) / count).tolist()),
    )
