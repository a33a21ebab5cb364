"""The loop's ended decisions as columns, as estimates of other policies need them."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.events import NONE, Proposal
from streams.learners.cross_fitting import Vector, fold_of
from streams.learners.feature_scale import FeatureScale
from streams.learners.off_policy import Log
from streams.loop.gate.state import is_exploring
from streams.loop.policy.values import NAMED, OTHER
from streams.replay.ended_decisions import LATER, Decided, Record
from streams.replay.episodes import least_reward

MOST_DECISIONS, MOST_CELLS = 50_000, 10_000_000
"""The latest decisions that are looked at, and how many of them times actions times ways of proposing one."""
TRIED = " tried"
"""What is behind the name of an action that is proposed although another looks better: that may be denied as such."""
MOST_FEATURES, MOST_PATTERNS = 32, 32
"""The most frequent ones; what is rarer tells too little to be told apart."""
FADING = 0.8
"""What it still counts whether an action was let through after one more proposal of it."""
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The decisions that can be used, as columns, and what is counted besides: `before`, made before the last one that
    another baseline must have led to, and `older`, beyond what is looked at. `apart` are the actions of which the gate
    denied some because they explored.
    """

    decided: Sequence[Decided]
    actions: tuple[str, ...]
    apart: tuple[str, ...]
    log: Log
    low: float
    before: int
    older: int

    def reward(self, share: float) -> float:
        """Return a reward as the loop counts it; in `log` they are between 0 and 1."""
        return self.low + share * (1.0 - self.low)

    def targets(self, chances: Iterable[Mapping[str, float]]) -> Vector:
        """Return what a policy proposes by name, and by name and `TRIED`, as `judge` needs it, shape (n, ways)."""
        return columns(chances, ways_of(self.actions, self.apart))

    def explored(self, chances: Mapping[str, float]) -> dict[str, float]:
        """Return how the loop's own kind of choice proposes: what is less likely than another action is tried."""
        return tried_apart(chances, self.apart)


def tabulate(record: Record, *, baseline: str, costs: Mapping[str, float]) -> Table:
    """Return the decisions as columns; `baseline` is the action of that arm, `costs` those declared by action.

    Rewards are in [0, 1] less the cost: what lies beyond counts as the end of that range.
    """
    since = frozen_since([one.proposal for one in record.decided], baseline)
    actions = tuple(sorted({NONE, *costs, *(name for one in record.decided[since:] for name in _names(one))}))
    apart = tuple(sorted({one.proposal.choice for one in record.decided[since:] if one.stopped}))
    most = max(1, min(MOST_DECISIONS, MOST_CELLS // (len(actions) * (len(actions) + len(apart)))))
    decided = record.decided[since:][-most:]
    low, number = least_reward(costs.values()), {name: at for at, name in enumerate(actions)}
    rewards = np.array([np.nan if one.reward is None else one.reward for one in decided], dtype=np.float64)
    entities = [one.proposal.entity for one in decided]
    log = Log(
        features=_features(decided, actions, apart),
        clusters=np.unique(np.array(entities, dtype=np.str_), return_inverse=True)[1],
        folds=np.array([fold_of(entity) for entity in entities], dtype=np.intp),
        proposed=np.array([number[one.proposal.choice] for one in decided], dtype=np.intp),
        explores=np.array([_is_tried(one, apart) for one in decided], dtype=np.bool_),
        stopped=np.array([one.stopped for one in decided], dtype=np.bool_),
        happened=np.array([number[one.happened] for one in decided], dtype=np.intp),
        rewards=np.clip((rewards - low) / (1.0 - low), 0.0, 1.0),
        logged=columns((procedure(one.proposal, baseline, apart) for one in decided), ways_of(actions, apart)),
        apart=tuple(number[name] for name in apart),
    )
    return Table(
        decided=decided,
        actions=actions,
        apart=apart,
        log=log,
        low=low,
        before=since,
        older=record.older + len(record.decided) - since - len(decided),
    )


def procedure(proposal: Proposal, baseline: str, apart: Collection[str] = ()) -> dict[str, float]:
    """Return the probability of each action under the whole procedure: the loop's choice and the hold-out; of those
    `apart` also by themselves where they are tried, which the hold-out's arms never do. That is so of the first
    proposal of an episode; another attempt keeps the arm.
    """
    shares = proposal.hold_out.shares if proposal.hold_out else {"loop": 1.0}
    chances = tried_apart(proposal.probabilities, apart)
    found = {name: shares["loop"] * chance for name, chance in chances.items()}
    for name, share in (
        (baseline_of(proposal, baseline), shares.get("baseline", 0.0)),
        (NONE, shares.get("none", 0.0)),
    ):
        found[name] = found.get(name, 0.0) + share
    return found


def tried_apart(chances: Mapping[str, float], apart: Collection[str]) -> dict[str, float]:
    """Return the loop's own probabilities with those `apart` under another name where another action is likelier: as
    the gate tells that one explores.
    """
    most = max(chances.values(), default=0.0)
    return {f"{name}{TRIED}" if name in apart and one < most else name: one for name, one in chances.items()}


def ways_of(actions: Sequence[str], apart: Sequence[str]) -> tuple[str, ...]:
    """Return the names of all that may be proposed, in the order of the columns."""
    return (*actions, *(f"{name}{TRIED}" for name in apart))


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


def admitted_lately(tried: Iterable[tuple[bool, bool]]) -> Iterator[float]:
    """Yield which share of what explored was let pass before each decision, of which it is told whether it explored and
    whether it was stopped for that; older ones fade.
    """
    share = 1.0
    for explores, stopped in tried:
        yield share
        if explores:
            share = FADING * share + (1.0 - FADING) * (not stopped)


def columns(chances: Iterable[Mapping[str, float]], actions: Sequence[str]) -> Vector:
    """Return probabilities by name as an array, shape (n, actions); the rows add up to 1."""
    found = np.array([[one.get(name, 0.0) for name in actions] for one in chances], dtype=np.float64)
    return found.reshape(-1, len(actions))


def _names(one: Decided) -> set[str]:
    return {*one.proposal.probabilities, one.proposal.choice, one.happened}


def _is_tried(one: Decided, apart: Collection[str]) -> bool:
    return one.proposal.choice in apart and is_exploring(one.proposal)


def _features(decided: Sequence[Decided], actions: Sequence[str], apart: Sequence[str]) -> Vector:
    """Return a constant, the patterns, the features, the values of metrics, how often each action was let through
    lately and, where any was not, how often one might explore, shape (n, d).

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
            *tried,
        ]
        for one, scaled, passed, tried in zip(
            decided, _scaled(decided, values), _passed(decided, actions), _admitted(decided, apart), strict=True
        )
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

    Levels and budgets change with time. An action that was never proposed counts as let through; one that was stopped
    because it explored says nothing of that.
    """
    shares: dict[tuple[str, str], float] = {}
    for one in decided:
        pattern, action = one.proposal.pattern, one.proposal.choice
        yield [shares.get((pattern, name), 1.0) for name in actions if name != NONE and not name.endswith(LATER)]
        if one.stopped:
            continue
        share = shares.get((pattern, action), 1.0)
        shares[pattern, action] = FADING * share + (1.0 - FADING) * (one.happened == action)


def _admitted(decided: Sequence[Decided], apart: Collection[str]) -> Sequence[Sequence[float]]:
    """Return, where actions are `apart`, how often what explored was let pass before each decision. One budget is for
    all of them; an action that is never let pass says nothing of that.
    """
    limited = {one.proposal.choice for one in decided if not one.stopped and _is_tried(one, apart)}
    shares = admitted_lately((_is_tried(one, limited), one.stopped) for one in decided)
    return [[share] if apart else [] for share in shares]


def _frequent(names: Iterable[str], most: int) -> list[str]:
    counts = Counter(names)
    return sorted(sorted(counts, key=lambda name: (-counts[name], name))[:most])
