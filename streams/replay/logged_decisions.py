"""The loop's ended decisions as columns, as estimates of other policies need them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.events import NONE, Proposal
from streams.learners.cross_fitting import Vector, fold_of
from streams.learners.feature_scale import FeatureScale
from streams.learners.off_policy import Log
from streams.loop.policy.values import NAMED, OTHER
from streams.replay.ended_decisions import LATER, Decided, Record
from streams.replay.episodes import least_reward

MOST_DECISIONS, MOST_CELLS = 50_000, 10_000_000
"""The latest decisions that are looked at, and how many of them times squared actions."""
MOST_FEATURES, MOST_PATTERNS = 32, 32
"""The most frequent ones; what is rarer tells too little to be told apart."""
FADING = 0.8
"""What it still counts whether an action was let through after one more proposal of it."""
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The decisions that can be used, as columns, and what is counted besides: `before`, made before the last one that
    another baseline must have led to, and `older`, beyond what is looked at.
    """

    decided: Sequence[Decided]
    actions: tuple[str, ...]
    log: Log
    low: float
    before: int
    older: int

    def reward(self, share: float) -> float:
        """Return a reward as the loop counts it; in `log` they are between 0 and 1."""
        return self.low + share * (1.0 - self.low)


def tabulate(record: Record, *, baseline: str, costs: Mapping[str, float]) -> Table:
    """Return the decisions as columns; `baseline` is the action of that arm, `costs` those declared by action.

    Rewards are in [0, 1] less the cost: what lies beyond counts as the end of that range.
    """
    since = frozen_since([one.proposal for one in record.decided], baseline)
    actions = tuple(sorted({NONE, *costs, *(name for one in record.decided[since:] for name in _names(one))}))
    most = max(1, min(MOST_DECISIONS, MOST_CELLS // len(actions) ** 2))
    decided = record.decided[since:][-most:]
    low, number = least_reward(costs.values()), {name: at for at, name in enumerate(actions)}
    rewards = np.array([np.nan if one.reward is None else one.reward for one in decided], dtype=np.float64)
    entities = [one.proposal.entity for one in decided]
    log = Log(
        features=_features(decided, actions),
        clusters=np.unique(np.array(entities, dtype=np.str_), return_inverse=True)[1],
        folds=np.array([fold_of(entity) for entity in entities], dtype=np.intp),
        proposed=np.array([number[one.proposal.choice] for one in decided], dtype=np.intp),
        happened=np.array([number[one.happened] for one in decided], dtype=np.intp),
        rewards=np.clip((rewards - low) / (1.0 - low), 0.0, 1.0),
        logged=columns((procedure(one.proposal, baseline) for one in decided), actions),
    )
    return Table(
        decided=decided,
        actions=actions,
        log=log,
        low=low,
        before=since,
        older=record.older + len(record.decided) - since - len(decided),
    )


def procedure(proposal: Proposal, baseline: str) -> dict[str, float]:
    """Return the probability of each action under the whole procedure: the loop's choice and the hold-out. That is
    so of the first proposal of an episode; another attempt keeps the arm.
    """
    shares = proposal.hold_out.shares if proposal.hold_out else {"loop": 1.0}
    found = {name: shares["loop"] * chance for name, chance in proposal.probabilities.items()}
    for name, share in (
        (baseline_of(proposal, baseline), shares.get("baseline", 0.0)),
        (NONE, shares.get("none", 0.0)),
    ):
        found[name] = found.get(name, 0.0) + share
    return found


def frozen_since(proposals: Sequence[Proposal], baseline: str) -> int:
    """Return from which first proposal on all probabilities are those of this baseline."""
    for at in range(len(proposals) - 1, -1, -1):
        proposal = proposals[at]
        if abs(procedure(proposal, baseline).get(proposal.choice, 0.0) - proposal.propensity) > ROUNDING:
            return at + 1
    return 0


def baseline_of(proposal: Proposal, baseline: str) -> str:
    """Return what the baseline does: nothing while its action is blocked."""
    return baseline if baseline in proposal.probabilities else NONE


def columns(chances: Iterable[Mapping[str, float]], actions: Sequence[str]) -> Vector:
    """Return probabilities by name as an array, shape (n, actions); the rows add up to 1."""
    found = np.array([[one.get(name, 0.0) for name in actions] for one in chances], dtype=np.float64)
    return found.reshape(-1, len(actions))


def _names(one: Decided) -> set[str]:
    return {*one.proposal.probabilities, one.proposal.choice, one.happened}


def _features(decided: Sequence[Decided], actions: Sequence[str]) -> Vector:
    """Return a constant, the patterns, the features, the values of metrics, and how often each action was let through
    lately, shape (n, d).

    Which patterns and features are frequent is counted over all these decisions: where there are more of them than
    are kept, a later look may have other columns.
    """
    patterns = _frequent((one.proposal.pattern for one in decided), MOST_PATTERNS)
    names = _frequent((name for one in decided for name in one.proposal.features), MOST_FEATURES)
    values = [name for name in names if name.startswith((NAMED, OTHER))]
    others = [name for name in names if name not in values]
    rows = [
        [
            1.0,
            *(float(one.proposal.pattern == pattern) for pattern in patterns),
            *(one.proposal.features.get(name, 0.0) for name in others),
            *scaled,
            *passed,
        ]
        for one, scaled, passed in zip(decided, _scaled(decided, values), _passed(decided, actions), strict=True)
    ]
    found = np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else 1)
    return np.nan_to_num(found, posinf=0.0, neginf=0.0)


def _scaled(decided: Sequence[Decided], names: Sequence[str]) -> Iterator[list[float]]:
    """Yield the values of metrics of these names, which have units of their own: centred and scaled as the policy does,
    by the decisions until then alone, so that no later one changes them. What is absent is 0, the mean.
    """
    scale = FeatureScale(limit=len(names), first=names)
    for one in decided:
        yield scale.learn_row(scale.raw(one.proposal.features))[1:].tolist()


def _passed(decided: Sequence[Decided], actions: Sequence[str]) -> Iterator[list[float]]:
    """Yield how often each action but none was let through on the pattern before a decision; older proposals fade.

    Levels and budgets change with time. An action that was never proposed counts as let through.
    """
    shares: dict[tuple[str, str], float] = {}
    for one in decided:
        pattern, action = one.proposal.pattern, one.proposal.choice
        yield [shares.get((pattern, name), 1.0) for name in actions if name != NONE and not name.endswith(LATER)]
        share = shares.get((pattern, action), 1.0)
        shares[pattern, action] = FADING * share + (1.0 - FADING) * (one.happened == action)


def _frequent(names: Iterable[str], most: int) -> list[str]:
    counts = Counter(names)
    return sorted(sorted(counts, key=lambda name: (-counts[name], name))[:most])
