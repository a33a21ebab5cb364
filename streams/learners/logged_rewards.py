"""What actions earned in a log, by context: self-normalised inverse propensity weighting, with its standard error.

What was chosen rarely stands for more that was not chosen, so each reward weighs one over its logged probability. Few
rewards, or few that carry all the weight, tell nothing: then the answer is None.
"""

from dataclasses import dataclass

import numpy as np

from streams.learners.importance import self_normalised

LEAST = 10
"""Rewards below which a mean is not told."""
LEAST_EFFECTIVE = 5.0
"""Kish's effective sample size below which it is not told either."""
LEAST_PROPENSITY = 0.01
"""What a smaller probability counts as: no single reward may stand for more than a hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A weighted mean reward, its standard error, and on how many rewards it rests."""

    value: float
    error: float
    count: int


class LoggedRewards:
    """Rewards of (context, action) pairs; the last word on each decision counts."""

    def __init__(self) -> None:
        self._rewards: dict[str, tuple[str, str, float, float]] = {}
        self._by_pair: dict[tuple[str, str], set[str]] = {}

    def see(self, decision: str, *, context: str, action: str, propensity: float, reward: float) -> None:
        """Take over the reward of one decision, in the place of an earlier one."""
        self.forget(decision)
        weight = 1.0 / max(propensity, LEAST_PROPENSITY)
        self._rewards[decision] = (context, action, weight, reward)
        self._by_pair.setdefault((context, action), set()).add(decision)

    def forget(self, decision: str) -> None:
        """Leave a decision out again: what was said of it is taken back."""
        known = self._rewards.pop(decision, None)
        if known is not None:
            self._by_pair[known[0], known[1]].discard(decision)

    def reward(self, decision: str) -> float | None:
        """Return what one decision earned, where that is known."""
        known = self._rewards.get(decision)
        return None if known is None else known[3]

    def mean(self, context: str, action: str) -> Mean | None:
        """Return what an action earns in a context, or None where the log does not tell."""
        seen = [self._rewards[name] for name in sorted(self._by_pair.get((context, action), ()))]
        weights, rewards = (np.array([one[column] for one in seen]) for column in (2, 3))
        found = self_normalised(weights, rewards)
        if found is None or len(seen) < LEAST or found.effective < LEAST_EFFECTIVE:
            return None
        return Mean(value=found.value, error=found.error, count=len(seen))
