"""Inverse-gap weighting: from predicted rewards to the exact probabilities of a contextual bandit.

Method: SquareCB (Foster and Rakhlin, "Beyond UCB", ICML 2020), on rewards that give an arm the benefit of the doubt (Li
et al., "A contextual-bandit approach", WWW 2010), mixed with an even floor so that no eligible arm is ever out of reach
of off-policy estimates.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from streams.learners.kernels import gaps
from streams.learners.reward_model import Outlook


def explore(arms: Sequence[str], outlook: Outlook, *, gamma: float, optimism: float, floor: float) -> dict[str, float]:
    """Return each arm's probability by what is expected of it; they add up to 1. To every mean are added `optimism`
    standard deviations; how strongly a gap to the best arm then counts, grows with the evidence: it is `gamma` >= 0
    without any (0: even). `floor` in [0, 1] is the share of the decisions that is spread evenly. Ties of the best go to
    the first arm. Raises `ValueError` without an arm.
    """
    if not len(outlook.means):
        raise ValueError("expected at least one eligible arm, got none")
    probabilities = np.empty(len(outlook.means))
    gaps.explore(outlook.means, outlook.spreads, optimism, gamma * (1.0 + outlook.evidence), floor, probabilities)
    return dict(zip(arms, probabilities.tolist(), strict=True))


def pick(probabilities: Mapping[str, float], draw: float) -> str:
    """Return the arm on which a draw from [0, 1) falls, in the order of the names."""
    names = sorted(probabilities)
    reached = 0.0
    for name in names:
        reached += probabilities[name]
        if draw < reached:
            return name
    return max(name for name in names if probabilities[name] > 0.0)  # the sum fell short of 1 by rounding
