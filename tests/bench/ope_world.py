"""Simulated logs of a loop whose proposals meet limits, refusals and people, with what every policy truly earns.

The loop's own exploration proposes (`streams.learners.bandit`), at the policy's settings, with a hold-out, and learns
between stages. Severe troubles earn less, are refused more often, and are worse for some entities than for others.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from streams.learners.bandit import explore
from streams.learners.cross_fitting import fold_of
from streams.learners.off_policy import Log
from streams.learners.reward_model import Outlook
from streams.loop.policy.settings import PolicySettings
from streams.replay.logged_decisions import admitted_lately

ARMS = ("none", "recycle", "restart", "throttle")
NONE, RECYCLE, RESTART, THROTTLE = range(4)
PATTERNS, NUMBER = 4, len(ARMS)
STAGES = (0, 50, 100, 200, 400, 800, 1_600, 3_200)
MEANS = np.array([[0.30, 0.75, 0.45, 0.35], [0.25, 0.35, 0.80, 0.50], [0.45, 0.40, 0.50, 0.85], [0.6, 0.55, 0.65, 0.3]])
SLOPES = np.array([-0.25, -0.10, -0.30, 0.15])
"""Of rewards against severity."""
BUDGET_DECISIONS = 200
"""Among so many decisions back a world's limit on exploring counts what ran."""
TRUTH_SEED, TRUTH_CONTEXTS, TRUTH_PARTS = 987_654_321, 100_000, 10

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class World:
    """What differs between cases. `spread` is how far entities are apart in what they earn, on either side; `blocked`
    actions are never eligible, rewards of `unseen` ones are never known. `hidden`: no feature tells how severe it is.
    With an `explore_limit` what does not look best is denied once so many of it ran lately, and of `risky` actions
    always.
    """

    policy: PolicySettings = field(default_factory=PolicySettings)
    intervenes: bool = True
    entities: int = 200
    spread: float = 0.12
    hidden: bool = False
    blocked: tuple[int, ...] = ()
    unseen: tuple[int, ...] = ()
    explore_limit: int | None = None
    risky: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """What decisions are met with: shape (n,), masks (n, actions). `admits`: something is left for exploring."""

    pattern: npt.NDArray[np.intp]
    severity: Vector
    entity: npt.NDArray[np.intp]
    leaning: Vector
    eligible: npt.NDArray[np.bool_]
    admits: npt.NDArray[np.bool_]

    def features(self, *, hidden: bool) -> Vector:
        """Return what the loop knows: the pattern and, unless that is hidden, the severity, shape (n, d)."""
        patterns = np.eye(PATTERNS)[self.pattern]
        return patterns if hidden else np.concatenate((patterns, self.severity[:, None]), axis=1)

    def means(self) -> Vector:
        """Return the expected reward of what happens, shape (n, actions)."""
        means = MEANS[self.pattern] + SLOPES * (self.severity[:, None] - 0.5) + self.leaning[:, None]
        return np.clip(means, 0.0, 1.0)

    def becomes(self, *, intervenes: bool) -> Vector:
        """Return the probabilities of what happens by what is proposed, shape (n, proposed, happened)."""
        found = np.broadcast_to(np.eye(NUMBER), (len(self.severity), NUMBER, NUMBER)).copy()
        if intervenes:
            runs = self.runs()
            by_hand = 0.5 * (1.0 - runs[:, THROTTLE]) * (self.pattern == 2)  # a person restarts in its place
            found *= runs[:, :, None]
            found[:, :, NONE] += 1.0 - runs
            found[:, THROTTLE, NONE] -= by_hand
            found[:, THROTTLE, RESTART] += by_hand
        return found

    def runs(self) -> Vector:
        """Return how likely gate, people and executor let through what is proposed, shape (n, actions)."""
        limits = 1.0 - 0.5 * self.severity[:, None] * np.array([0.0, 0.2, 1.0, 0.6])
        refused = 1.0 - np.array([0.0, 0.15, 0.05, 0.05])
        people = np.where(self.pattern[:, None] == 2, 1.0 - 0.7 * np.array([0.0, 0.0, 0.2, 1.0]), 1.0)
        return limits * refused * people


def contexts(rng: np.random.Generator, count: int, world: World) -> Contexts:
    """Draw what decisions are met with."""
    severity = rng.random(count)
    entity = rng.integers(world.entities, size=count)
    leaning = rng.uniform(-world.spread, world.spread, world.entities)
    spent = rng.random((count, NUMBER)) < 0.5 * severity[:, None] * np.array([0.0, 0.6, 0.4, 0.2])
    eligible = ~spent if world.intervenes else np.ones((count, NUMBER), dtype=np.bool_)
    eligible[:, list(world.blocked)] = False
    return Contexts(
        pattern=rng.integers(PATTERNS, size=count),
        severity=severity,
        entity=entity,
        leaning=leaning[entity],
        eligible=eligible,
        admits=np.ones(count, dtype=np.bool_),
    )


def simulate(seed: int, count: int, world: World) -> tuple[Log, Contexts]:
    """Return a log and what its decisions were met with."""
    rng = np.random.default_rng(seed)
    met = contexts(rng, count, world)
    becomes, means, features = met.becomes(intervenes=world.intervenes), met.means(), met.features(hidden=world.hidden)
    logged, tried = np.empty((count, NUMBER)), np.empty((count, NUMBER))
    budget = _Budget(world, np.random.default_rng((seed, 1)), count)
    proposed, happened = np.empty(count, dtype=np.intp), np.empty(count, dtype=np.intp)
    rewards = np.empty(count)
    sums, counts = np.zeros((PATTERNS, NUMBER)), np.zeros((PATTERNS, NUMBER))
    for start, stop in zip(STAGES, (*STAGES[1:], count), strict=True):
        rows = np.arange(start, min(stop, count))
        if not len(rows):
            break
        logged[rows], tried[rows] = propensities(met, rows, sums, counts, world.policy)
        proposed[rows] = _draw(rng, logged[rows])
        happened[rows] = _draw(rng, becomes[rows, proposed[rows]])
        if world.explore_limit is not None:
            chances = (tried[rows] / np.maximum(logged[rows], 1e-12))[np.arange(len(rows)), proposed[rows]]
            budget.deny(rows, chances, proposed, happened)
        rewards[rows] = rng.random(len(rows)) < means[rows, happened[rows]]
        rewards[rows[~_seen(rng, proposed[rows], happened[rows], world)]] = np.nan
        known = rows[np.isfinite(rewards[rows])]
        np.add.at(sums, (met.pattern[known], happened[known]), rewards[known])
        np.add.at(counts, (met.pattern[known], happened[known]), 1.0)
    log = Log(
        features=features,
        clusters=met.entity,
        folds=_folds(world.entities)[met.entity],
        proposed=proposed,
        explores=budget.explores,
        stopped=budget.stopped,
        happened=happened,
        rewards=rewards,
        logged=logged,
    )
    return (log if world.explore_limit is None else _apart(log, tried)), replace(met, admits=budget.admits)


def propensities(
    met: Contexts, rows: npt.NDArray[np.intp], sums: Vector, counts: Vector, policy: PolicySettings
) -> tuple[Vector, Vector]:
    """Return the probabilities of what is proposed, by what was learned of rewards, as the policy has them; and of how
    much of that another action looks better, shape (n, actions) each.
    """
    means = (sums + policy.reward_prior) / (counts + 1.0)
    shares = policy.hold_out
    found, tried = np.zeros((len(rows), NUMBER)), np.zeros((len(rows), NUMBER))
    for pattern in range(PATTERNS):
        outlook = Outlook(means[pattern], 0.5 / np.sqrt(counts[pattern] + 1.0), float(counts[pattern].sum()))
        of = explored(outlook, policy)
        mine = met.pattern[rows] == pattern
        found[mine] = shares["loop"] * of[_code(met.eligible[rows][mine])]
        tried[mine] = shares["loop"] * tried_of(of)[_code(met.eligible[rows][mine])]
    found += shares["baseline"] * baseline(met.eligible[rows])
    found[:, NONE] += shares["none"]
    return found, tried


def tried_of(chances: Vector) -> Vector:
    """Return the part of a policy's probabilities that is of actions which are less likely than another one."""
    tried = chances < chances.max(axis=1, keepdims=True)
    tried[:, NONE] = False
    return np.where(tried, chances, 0.0)


def ways(chances: Vector, log: Log) -> Vector:
    """Return a policy's probabilities with those that try one of the actions `apart` in columns of their own."""
    apart = list(log.apart)
    tried, found = tried_of(chances)[:, apart], chances.copy()
    found[:, apart] -= tried
    return np.concatenate((found, tried), axis=1)


def explored(outlook: Outlook, policy: PolicySettings) -> Vector:
    """Return the exploration's probabilities by which actions are eligible, shape (2 ** actions, actions)."""
    found = np.zeros((2**NUMBER, NUMBER))
    for code in range(2**NUMBER):
        some = [arm for arm in range(NUMBER) if code >> arm & 1 and code & 1]
        if some:
            here = Outlook(outlook.means[some], outlook.spreads[some], outlook.evidence)
            names = [ARMS[arm] for arm in some]
            chances = explore(names, here, gamma=policy.gamma, optimism=policy.optimism, floor=policy.floor)
            found[code, some] = [chances[name] for name in names]
    return found


def none(eligible: npt.NDArray[np.bool_]) -> Vector:
    """Return the policy that does nothing, shape (n, actions)."""
    return np.broadcast_to(np.eye(NUMBER)[NONE], eligible.shape)


def baseline(eligible: npt.NDArray[np.bool_]) -> Vector:
    """Return the policy that always restarts, but for where limits forbid it."""
    return only(RESTART, eligible)


def only(arm: int, eligible: npt.NDArray[np.bool_]) -> Vector:
    """Return the policy that always does one thing, but for where limits forbid it."""
    return np.eye(NUMBER)[np.where(eligible[:, arm], arm, NONE)]


def other(met: Contexts) -> Vector:
    """Return a policy that knows a little of the rewards and explores more than the loop."""
    policy = PolicySettings(floor=0.2, gamma=16.0)
    tables = [explored(Outlook(0.5 + 0.5 * (MEANS[one] - 0.5), np.full(NUMBER, 0.1), 4.0), policy) for one in range(4)]
    return np.array(tables)[met.pattern, _code(met.eligible)]


def truth(world: World, target: Callable[[Contexts], Vector], *, admits: bool = True) -> float:
    """Return what a target earns per decision, by a million contexts and as many entities, where something is left for
    exploring or nothing is.
    """
    rng = np.random.default_rng(TRUTH_SEED)
    found = []
    for _ in range(TRUTH_PARTS):
        met = contexts(rng, TRUTH_CONTEXTS, replace(world, entities=TRUTH_CONTEXTS))
        chances = target(met)
        if world.explore_limit is not None:
            denied = tried_of(chances)
            denied[:, [arm for arm in range(NUMBER) if admits and arm not in world.risky]] = 0.0
            chances = chances - denied
            chances[:, NONE] += denied.sum(axis=1)
        happens = np.einsum("na,nab->nb", chances, met.becomes(intervenes=world.intervenes))
        found.append(float((happens * met.means()).sum() / TRUTH_CONTEXTS))
    return float(np.mean(found))


class _Budget:
    """What a limit on exploring makes of proposals."""

    def __init__(self, world: World, rng: np.random.Generator, count: int) -> None:
        self.explores, self.stopped = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        self.admits = np.ones(count, dtype=np.bool_)
        self._world = world
        self._rng = rng
        self._ran: deque[int] = deque()

    def deny(
        self,
        rows: npt.NDArray[np.intp],
        chances: Vector,
        proposed: npt.NDArray[np.intp],
        happened: npt.NDArray[np.intp],
    ) -> None:
        """Deny some of what was to happen; `chances` are those that what is proposed is tried, not the likeliest."""
        self.explores[rows] = self._rng.random(len(rows)) < chances
        for row in rows.tolist():
            while self._ran and self._ran[0] <= row - BUDGET_DECISIONS:
                self._ran.popleft()
            self.admits[row] = len(self._ran) < (self._world.explore_limit or 0)
            if not self.explores[row]:
                continue
            self.stopped[row] = proposed[row] in self._world.risky or not self.admits[row]
            if self.stopped[row]:
                happened[row] = NONE
            elif happened[row] == proposed[row]:
                self._ran.append(row)


def _apart(log: Log, tried: Vector) -> Log:
    """Return a log as `flyball evaluate` makes one, with columns for what was tried of actions that were stopped."""
    apart = np.unique(log.proposed[log.stopped]).tolist()
    explores = log.explores & np.isin(log.proposed, apart)
    limited = explores & np.isin(log.proposed, log.proposed[explores & ~log.stopped])
    lately = np.fromiter(admitted_lately(zip(limited.tolist(), log.stopped.tolist(), strict=True)), dtype=np.float64)
    logged = log.logged.copy()
    logged[:, apart] -= tried[:, apart]
    return replace(
        log,
        features=np.column_stack((log.features, lately)),
        explores=explores,
        logged=np.concatenate((logged, tried[:, apart]), axis=1),
        apart=tuple(apart),
    )


def _draw(rng: np.random.Generator, chances: Vector) -> npt.NDArray[np.intp]:
    """Draw one column per row, as `bandit.pick` does: the arms are in the order of their names."""
    reached = np.cumsum(chances, axis=1)
    return np.minimum((rng.random(len(chances))[:, None] >= reached).sum(axis=1), NUMBER - 1)


def _seen(
    rng: np.random.Generator, proposed: npt.NDArray[np.intp], happened: npt.NDArray[np.intp], world: World
) -> npt.NDArray[np.bool_]:
    """Return whose reward is known: not of what was refused, and of some nobody measures it."""
    share = np.where(happened == RESTART, 0.85, 0.95) if world.intervenes else np.ones(len(happened))
    share = np.where((happened == NONE) & (proposed != NONE), 0.1, share)
    share = np.where(np.isin(happened, world.unseen), 0.0, share)
    return rng.random(len(happened)) < share


def _code(eligible: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return eligible @ (1 << np.arange(NUMBER))


@cache
def _folds(entities: int) -> npt.NDArray[np.intp]:
    return np.array([fold_of(f"entity-{number}") for number in range(entities)], dtype=np.intp)
