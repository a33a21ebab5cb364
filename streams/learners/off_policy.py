"""What other policies would have earned, by the log of one: IPS, SNIPS, and doubly robust with an interval.

A decision is weighed by what *happened* and how likely that was, under the target and under the log: limits, refusals
and people stand between a proposal and what happens, and a target's proposals would meet them too. Doubly robust:
Dudik, Langford and Li, "Doubly robust policy evaluation and learning" (ICML 2011), with cross-fitted models.

The interval is exact at any number of looks where decisions are independent, nothing intervenes, and each proposal was
drawn with the probabilities that the log states: rewards are foretold from earlier decisions only. Otherwise it is as
good as what is learned of what comes in between, and, where decisions of an entity are alike, as the estimate of how
much.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from streams.learners.confidence_sequences import ALPHA
from streams.learners.cross_fitting import Indices, Vector, foretell_ahead
from streams.learners.empirical_bernstein import design_effect, lower_bound
from streams.learners.importance import self_normalised
from streams.learners.passages import Passages, passages
from streams.learners.support import LEAST_PROBABILITY, Support, support_of

BOUND = 5.0
"""The most that a foretold reward counts when it is taken off by weight: what bounds the values from one side."""
BEFORE = 0.5
"""What is foretold of a reward between 0 and 1 before any was seen."""
ROWS = ("features", "clusters", "folds", "proposed", "explores", "stopped", "happened", "rewards", "logged")
"""The columns of a log that have one entry per decision."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """Decisions in order. `features` have shape (n, d) and hold a constant; `rewards` are between 0 and 1, NaN where
    none was seen. `clusters` number the entities from 0, `folds` are theirs.

    What is proposed although another action looks better (`explores`) may be `stopped` for that alone, which the same
    action as the likeliest, or of a hold-out, never is. So of the actions of which any was, `apart`, it is a way of
    its own: `logged` are the probabilities with which each action was proposed, and behind them, in the order of
    `apart`, those with which it was so proposed, which do not count in the first; shape (n, ways).
    """

    features: Vector
    clusters: Indices
    folds: Indices
    proposed: Indices
    explores: npt.NDArray[np.bool_]
    stopped: npt.NDArray[np.bool_]
    happened: Indices
    rewards: Vector
    logged: Vector
    apart: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.rewards)

    def take(self, rows: Indices | slice) -> "Log":
        """Return some of the decisions, in order: the first hundred are the log as it was then."""
        return replace(self, **{name: getattr(self, name)[rows] for name in ROWS})

    @property
    def number(self) -> int:
        """How many actions there are."""
        return int(self.logged.shape[1]) - len(self.apart)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Where a reward was seen."""
        return np.isfinite(self.rewards)

    @cached_property
    def passages(self) -> Passages:
        """What becomes of proposals."""
        return passages(
            self.features,
            self.folds,
            proposed=self.proposed,
            explores=self.explores,
            stopped=self.stopped,
            happened=self.happened,
            seen=self.seen,
            number=self.number,
            apart=self.apart,
        )

    @cached_property
    def expected(self) -> Vector:
        """The reward foretold of each action if it happens, shape (n, actions)."""
        found = foretell_ahead(
            self.features,
            self.happened,
            (np.nan_to_num(self.rewards) - BEFORE)[:, None],
            self.folds,
            number=self.number,
            known=self.seen,
        )
        return np.clip(found[:, :, 0] + BEFORE, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean reward of a policy, between 0 and 1; `low` to `high` belong to `doubly_robust` and hold at every
    peek.
    """

    ips: float
    snips: float
    doubly_robust: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What each decision says of a target: `values` in the mean, `lows` at least -BOUND and `highs` at most 1 + BOUND;
    all three have the same expectation, but for actions that could hardly happen, of which the worst and the best is
    taken. `happens` are the probabilities of what happens under it.
    """

    happens: Vector
    weights: Vector
    values: Vector
    lows: Vector
    highs: Vector
    support: Support


def judge(log: Log, target: Vector) -> Judged:
    """Weigh a log for a target that proposes with the given probabilities, shape (n, ways) as in the log, rows adding
    up to 1.
    """
    at = np.arange(len(log)), log.happened
    happens = np.einsum("na,nab->nb", target, log.passages.happens)
    shows = np.einsum("na,nab->nb", log.logged, log.passages.shows)
    possible = shows >= LEAST_PROBABILITY
    shares = np.where(possible, happens / np.maximum(shows, LEAST_PROBABILITY), 0.0)
    weights = np.where(log.seen, shares[at], 0.0)
    rewards, expected = np.nan_to_num(log.rewards), log.expected
    most = BOUND / np.maximum(shares, BOUND)
    cautious = np.where(possible, np.minimum(expected, most), 0.0)
    hopeful = np.where(possible, np.maximum(expected, 1.0 - most), 1.0)

    def values(foretold: Vector) -> Vector:
        found: Vector = (happens * foretold).sum(axis=1) + weights * (rewards - foretold[at])
        return found

    logged = np.einsum("na,nab->nb", log.logged, log.passages.happens)
    return Judged(
        happens=happens,
        weights=weights,
        values=values(expected),
        lows=values(cautious),
        highs=values(hopeful),
        support=support_of(happens, logged, shows, happened=log.happened, seen=log.seen, clusters=log.clusters),
    )


def estimate(log: Log, judged: Judged, *, alpha: float = ALPHA) -> Estimate:
    """Return what a target earns per decision."""
    rewards = np.nan_to_num(log.rewards)
    weighted = self_normalised(judged.weights, rewards)
    spread = design_effect(judged.values, log.clusters)
    low = lower_bound(judged.lows, least=-BOUND, centres=(0.0, 1.0), alpha=alpha / 2.0, design_effect=spread)
    high = lower_bound(1.0 - judged.highs, least=-BOUND, centres=(0.0, 1.0), alpha=alpha / 2.0, design_effect=spread)
    return Estimate(
        ips=float(judged.weights @ rewards) / len(log),
        snips=float("nan") if weighted is None else weighted.value,
        doubly_robust=float(judged.values.mean()),
        low=low,
        high=1.0 - high,
    )


def difference(log: Log, judged: Judged, other: Judged, *, alpha: float = ALPHA) -> tuple[float, float, float]:
    """Return how much more one target earns per decision than another, with an interval that holds at every peek: at
    most the share of what happens in which they differ, either way.
    """
    most = float(np.abs(judged.happens - other.happens).sum()) / 2.0 / max(1, len(log))
    if most == 0.0:
        return 0.0, 0.0, 0.0
    values = judged.values - other.values
    spread, least = design_effect(values, log.clusters), -1.0 - 2.0 * BOUND
    low = lower_bound(
        judged.lows - other.highs, least=least, centres=(-1.0, 1.0), alpha=alpha / 2.0, design_effect=spread
    )
    high = lower_bound(
        other.lows - judged.highs, least=least, centres=(-1.0, 1.0), alpha=alpha / 2.0, design_effect=spread
    )
    return float(values.mean()), min(max(low, -most), most), max(min(-high, most), -most)
