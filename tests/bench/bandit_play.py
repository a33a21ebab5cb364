"""The product's bandit over the rows of a set or a world: one decision after another, each learned from at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.events import HoldOut, Why
from streams.learners.bandit import explore, pick
from streams.learners.reward_model import RewardModel
from streams.learners.reward_settings import RewardModelSettings
from streams.loop.policy import PolicySettings
from streams.loop.policy.choice import OF_EVERY_METRIC, Choice
from streams.loop.policy.reward_models import reward_model_settings
from streams.loop.policy.why import why_of

Floats = npt.NDArray[np.float64]
FLOOR = 0.005
HOLD_OUT = HoldOut(draw=0.0, arm="loop", shares={"loop": 1.0, "baseline": 0.0, "none": 0.0})
"""In a game every decision is the loop's."""
POLICY = PolicySettings(floor=FLOOR, reward_prior=0.3)
"""The policy's settings but for two. What the floor costs is a constant that is printed beside, so it is small here;
the prior is about what an arm drawn at random earns, as the policy's 0.7 is for an action that often helps.
"""


def as_policy(arms: int) -> RewardModelSettings:
    """Return the policy's settings of its models, without places for what a game has not."""
    settings = reward_model_settings(POLICY, actions=arms)
    return msgspec.structs.replace(settings, first_features=OF_EVERY_METRIC, declared_features=())


class Player(Protocol):
    """Chooses an arm for each row, and is told what that arm earned."""

    def choose(self, row: Floats, draw: float) -> int: ...

    def learn(self, reward: float) -> None: ...


class Flyball:
    """The policy's models and its exploration, with its settings but for the two of `POLICY`; actions cost nothing, and
    there are no patterns, or so many that take turns. The first features have the names of those that every episode
    has, as in the policy; in a game nothing has a time of the day, so those of `OF_EVERY_MOMENT` have no places.
    With `reasons` each choice also says why, as a proposal does.
    """

    def __init__(
        self,
        features: int,
        arms: int,
        *,
        settings: RewardModelSettings | None = None,
        patterns: int = 0,
        reasons: bool = False,
    ) -> None:
        self.model = RewardModel(settings or as_policy(arms))
        self.arms = [f"arm-{number:02d}" for number in range(arms)]
        self.features = [*OF_EVERY_METRIC, *(f"mean:{number}" for number in range(features))][:features]
        self.patterns = patterns
        self.reasons = reasons
        self.why: Why | None = None
        self.decided = 0
        self.chosen = self.key = ""

    def choose(self, row: Floats, draw: float) -> int:
        self.decided += 1
        self.key = f"decision-{self.decided}"
        features = dict(zip(self.features, row.tolist(), strict=True))
        pattern = f"pattern-{self.decided % self.patterns}" if self.patterns else None
        outlook = self.model.decide(self.key, features, actions=self.arms, pattern=pattern)
        probabilities = explore(self.arms, outlook, gamma=POLICY.gamma, optimism=POLICY.optimism, floor=POLICY.floor)
        self.chosen = pick(probabilities, draw)
        if self.reasons:
            chance = probabilities[self.chosen]
            choice = Choice(action=self.chosen, probabilities=probabilities, propensity=chance, hold_out=HOLD_OUT)
            self.why = why_of(self.model, self.key, self.arms, outlook, choice)
        return self.arms.index(self.chosen)

    def learn(self, reward: float) -> None:
        self.model.learn(self.key, self.chosen, reward)


class LinearThompson:
    """A ridge regression per arm with penalty 1, and one draw from each posterior (Agrawal and Goyal, ICML 2013)."""

    def __init__(self, features: int, arms: int, *, seed: int, width: float) -> None:
        size = features + 1
        self.covariances = np.tile(np.eye(size), (arms, 1, 1))
        self.weights = np.zeros((arms, size))
        self.width = width
        self.rng = np.random.default_rng(seed)
        self.row = np.ones(size)
        self.arm = 0

    def choose(self, row: Floats, draw: float) -> int:  # noqa: ARG002, it draws for itself
        self.row = np.concatenate(([1.0], row))
        spread = np.sqrt(np.maximum(0.0, (self.covariances @ self.row) @ self.row))
        hoped = self.weights @ self.row + self.width * spread * self.rng.standard_normal(len(spread))
        self.arm = int(hoped.argmax())
        return self.arm

    def learn(self, reward: float) -> None:
        toward = self.covariances[self.arm] @ self.row
        gain = toward / (1.0 + toward @ self.row)
        self.weights[self.arm] += gain * (reward - self.weights[self.arm] @ self.row)
        self.covariances[self.arm] -= np.outer(gain, toward)


class Uniform:
    """Any arm."""

    def __init__(self, arms: int) -> None:
        self.arms = arms

    def choose(self, row: Floats, draw: float) -> int:  # noqa: ARG002, any row
        return int(draw * self.arms)

    def learn(self, reward: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Game:
    """Rows of features, the reward of every arm in every row, and the draws: shapes (n, d), (n, arms), (n,). What is
    earned in the first `unscored` rows does not count.
    """

    rows: Floats
    rewards: Floats
    draws: Floats
    unscored: int = 0


def play(make: Callable[[], Player], game: Game, restarts: Sequence[int] = ()) -> float:
    """Return the mean reward over the rows that are scored; at each of `restarts` a fresh player takes over."""
    player, earned, fresh = make(), 0.0, frozenset(restarts)
    rewards = game.rewards.tolist()
    for number, draw in enumerate(game.draws.tolist()):
        if number in fresh:
            player = make()
        reward = rewards[number][player.choose(game.rows[number], draw)]
        player.learn(reward)
        earned += reward if number >= game.unscored else 0.0
    return earned / (len(rewards) - game.unscored)
