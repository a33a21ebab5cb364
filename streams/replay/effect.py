"""What a difference between two gates was worth, as far as the run's own rewards tell."""

from collections import Counter
from collections.abc import Iterable
from math import sqrt

import msgspec

from schemas.events import NONE, Experience
from schemas.keyring import LOOP
from streams.learners.logged_rewards import LoggedRewards, Mean
from streams.loop.rewards import reward_of
from streams.replay.decisions import Decision, Difference

WIDTH = 1.96
"""Standard errors on either side of a 95 % interval."""
TAUGHT = ("observed", "defaulted", "late")


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The change of the sum of rewards (costs taken off), with a 95 % interval; over `known` of the actions added and
    removed. About `unknown` the log cannot tell: too few rewards of that action, or of doing nothing, on that pattern.
    """

    value: float
    low: float
    high: float
    known: int
    unknown: int


def logged_rewards(experiences: Iterable[Experience]) -> LoggedRewards:
    """Return what the loop's own decisions earned; what a person chose, or did not happen as chosen, is left out. What
    a person was asked about by choice earned otherwise than the same action at once.
    """
    rewards = LoggedRewards()
    for one in experiences:
        if one.state not in TAUGHT or one.by != LOOP or not one.episode:
            continue
        reward = reward_of(one)
        if reward is None or one.effective != one.proposed:
            rewards.forget(one.proposal)  # a late word may take back that it happened
            continue
        rewards.see(
            one.proposal,
            context=one.pattern,
            action=one.earned_by,
            propensity=one.effective_probability,
            reward=reward,
        )
    return rewards


def effect_of(difference: Difference, rewards: LoggedRewards) -> Effect:
    """Return what another gate's actions would have earned more or less.

    An action that was taken away earned what is recorded, and doing nothing would have earned what it did on that
    pattern; one that was added is worth what it earned there, less that. Means of a pair are shared by all that rest on
    them, and so are their errors.
    """
    coefficients: Counter[tuple[str, str]] = Counter()
    means: dict[tuple[str, str], Mean | None] = {}
    exact, known, unknown = 0.0, 0, 0
    for decision, sign in [*((one, 1) for one in difference.added), *((one, -1) for one in difference.removed)]:
        earned = rewards.reward(decision.proposal) if sign < 0 else None
        pairs = [(decision.pattern, NONE)] if earned is not None else _pairs(decision)
        means |= {pair: rewards.mean(*pair) for pair in pairs if pair not in means}
        if any(means[pair] is None for pair in pairs):
            unknown += 1
            continue
        known += 1
        exact += sign * (earned or 0.0)
        for pair in pairs:
            coefficients[pair] += -sign if pair[1] == NONE else sign
    shares = [(count, mean) for pair, count in coefficients.items() if (mean := means[pair]) is not None]
    value = exact + sum(count * mean.value for count, mean in shares)
    error = sqrt(sum((count * mean.error) ** 2 for count, mean in shares))
    return Effect(value=value, low=value - WIDTH * error, high=value + WIDTH * error, known=known, unknown=unknown)


def _pairs(decision: Decision) -> list[tuple[str, str]]:
    return [(decision.pattern, decision.action), (decision.pattern, NONE)]
