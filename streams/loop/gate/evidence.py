"""What the outcomes of an action against a pattern prove: that it earns more than doing nothing, or that it harms."""

from typing import Literal

import msgspec

from streams.learners.betting import alarm, lower_bound, proves_less, proves_more, step_of, upper_bound
from streams.learners.confidence_sequences import Moments, cautious_variance
from streams.loop.gate.settings import Level

Compared = Literal["none", "baseline"]
"""What an action is compared with: doing nothing, and the baseline's action."""
PROMISING = 5
"""Outcomes from which on an action is held to what it earned so far."""
_LEAST_SPREAD = 0.1
"""Least distance of the best outcome from what is promised: no two bad ones in a row are an alarm."""


class Contrast(msgspec.Struct, array_like=True):
    """Rewards of an action (`mine`) against those of another (`other`), by rounds: a round ends once both have come,
    and its value is the difference of the means of those that came since the last one. `counts` are of steps of values.

    Bounds of its mean rest on one thing: whatever came before, a round may not be expected to be worth more than the
    effect. So both must be of the same mixture of cases (`streams.loop.gate.runs.chosen_by_loop`). That the loop turns
    away from what has just failed makes the mean of `mine` in a round too low, if anything (Nie, Tian, Taylor and Zou,
    "Why adaptively collected data have negative bias", AISTATS 2018).
    """

    mine: Moments = msgspec.field(default_factory=Moments)
    other: Moments = msgspec.field(default_factory=Moments)
    counts: dict[int, int] = {}
    rounds: int = 0
    total: float = 0.0

    def add(self, reward: float, *, mine: bool) -> None:
        """Count one reward."""
        (self.mine if mine else self.other).add(reward)
        if self.mine.count and self.other.count:
            effect = self.mine.mean - self.other.mean
            step = step_of(effect)
            self.counts[step] = self.counts.get(step, 0) + 1
            self.rounds += 1
            self.total += effect
            self.mine, self.other = Moments(), Moments()

    @property
    def effect(self) -> float:
        """Return the mean of all rounds; 0 without one."""
        return self.total / self.rounds if self.rounds else 0.0

    def earns(self, least: float, *, low: float, alpha: float) -> bool:
        """Return whether the effect, which is never below `low`, is sure to be more than `least`."""
        return proves_more(self.counts, least, low=low, alpha=alpha)

    def harms(self, *, high: float, alpha: float) -> bool:
        """Return whether the effect, which is never above `high`, is sure to be negative."""
        return proves_less(self.counts, 0.0, high=high, alpha=alpha)

    def bounds(self, *, low: float, high: float, alpha: float) -> tuple[float, float]:
        """Return the bounds of the effect, each of which holds at every peek."""
        return lower_bound(self.counts, low=low, alpha=alpha), upper_bound(self.counts, high=high, alpha=alpha)


class Pair(msgspec.Struct):
    """All that is known of one action against one pattern, since its level last changed; `rewards` and `highest` since
    it was last lowered.

    `level` is what the gate made of it, None for what people say; `start` what they said then, and `basis` what the
    action, and the baseline, were declared to be. `falling` and `silence` are the capitals of who bets that rewards
    fell, and that outcomes fail to come. `lowered` is how often it was, `fell` whether since people last ordered
    something else. `said` is what was told last without a change of level, `was` the level before the settings changed
    it, until that is told.
    """

    pattern: str
    action: str
    level: Level | None = None
    start: Level = "observe"
    decided: int = 0
    outcomes: int = 0
    missing: int = 0
    rewards: Moments = msgspec.field(default_factory=Moments)
    highest: float = -1.0
    falling: float = 1.0
    silence: float = 1.0
    against: dict[Compared, Contrast] = {}
    test: int = 1
    lowered: int = 0
    fell: bool = False
    said: str = ""
    basis: str = ""
    was: Level | None = None

    def begin(self, *, lowered: bool = False, other: bool = False) -> None:
        """Forget what led to a change: its level was `lowered`, or it is about an `other` action than before.

        Every further test of the effect has less chance to be wrong: together they have as much as is stated.
        """
        self.test += self.has_evidence
        self.against = {name: Contrast() for name in self.against}
        self.decided = self.outcomes = self.missing = 0
        self.falling = self.silence = 1.0
        self.said, self.was = "", None
        if lowered:
            self.lowered += 1
            self.fell = True
        if lowered or other:
            self.rewards, self.highest = Moments(), -1.0

    def begin_asking(self) -> None:
        """Count anew how often it is wanted, and keep all that outcomes proved: they did not lead to the change."""
        self.decided = 0
        self.said, self.was = "", None

    @property
    def has_evidence(self) -> bool:
        """Return whether outcomes were held against others."""
        return any(contrast.rounds for contrast in self.against.values())

    def alpha(self, wrong: float) -> float:
        """Return how likely the present test may be wrong, of `wrong` for all of them together."""
        return wrong / (self.test * (self.test + 1))

    def add(self, reward: float, *, cost: float, missing: float, chosen: bool) -> None:
        """Count an outcome; `missing` is the share of them that may fail to come. It is compared with others where the
        loop has `chosen` the action, or would have.
        """
        if self.rewards.count >= PROMISING:
            promised = self._promised(cost)
            high = max(self.highest, promised + _LEAST_SPREAD)
            self.falling = alarm(self.falling, reward, promised=promised, low=-cost, high=high)
        self.outcomes += 1
        self.rewards.add(reward)
        self.highest = max(self.highest, reward)
        self.silence = alarm(self.silence, 1.0, promised=1.0 - missing, low=0.0, high=1.0)
        for contrast in self.against.values() if chosen else ():
            contrast.add(reward, mine=True)

    def miss(self, missing: float) -> None:
        """Count a run of which nobody told how it ended, or what came of it."""
        self.missing += 1
        self.silence = alarm(self.silence, 0.0, promised=1.0 - missing, low=0.0, high=1.0)

    def _promised(self, cost: float) -> float:
        """Return the mean reward so far, less its standard error."""
        variance = cautious_variance(self.rewards, -cost, max(self.highest, 0.0))
        return max(-cost, self.rewards.mean - float((variance / self.rewards.count) ** 0.5))
